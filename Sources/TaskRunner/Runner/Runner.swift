import BSON
import Files
public import Logging
import MongoDriver
import NIOPosix
public import ServiceLifecycle
import Synchronization
public import TensorHub
import Threads

/// Claims the tasks of a hub and runs them, as many at once as it has slots.
///
/// A graceful shutdown drains: nothing more is claimed, what runs may end. `escalate()` goes further. Cancellation
/// stops the scripts at once and gives their tasks back.
public final class Runner: Service {
    public var hub: Hub { session.hub }
    /// For what is to be prompt: its calls wait for no statement of anybody else's.
    let session: RunnerSession
    private let currentOptions: Mutex<RunnerOptions>
    /// As given, or as `reload` has changed them.
    public var options: RunnerOptions { currentOptions.withLock { $0 } }
    /// What a watchdog goes by.
    public let loopWatch = LoopWatch()
    /// This run of this runner, in leases and histories. New at every start.
    public let id: String
    /// The same for what scripts print and write, and for files: nothing of that makes a renewal wait.
    let transport: RunnerSession
    let logger: Logger
    let pool: NIOThreadPool
    /// For what scripts write to this machine's disk through the script API.
    let scriptThreads = TurnThreads(name: "scripts", limit: 4, share: 2)
    /// For copying, syncing and moving what scripts store.
    let bulk = BulkThreads()
    let availability: Availability
    /// What keeps it from claiming, from renewing its leases and from telling of itself.
    let claimBlock: DeliveryBlock
    let leaseBlock: DeliveryBlock
    let beatBlock: DeliveryBlock
    let endDelivery: EndDelivery
    let damage: DamagedThings
    let presence: RunnerPresence
    let launcher: AttemptLauncher
    private let openedCache: ContentCache
    let progressBoard = ProgressBoard()
    let state: SharedRunnerState
    let needs = UnmetNeeds()
    /// Gives up after the third step of the ladder.
    let persistence: Persistence
    let wakes: AsyncStream<Void>
    let wake: AsyncStream<Void>.Continuation
    let mustLook = Mutex(true)
    /// The newest version of tasks that the log has told of.
    let newestVersion = Mutex(0)
    let heartbeat = Mutex(Heartbeat())
    private let databaseIdentity = Mutex("")
    /// Which database the attempts come from: `Hub.identity()`, known once it was reached.
    var database: String { databaseIdentity.withLock { $0 } }

    /// The longest without a look at the queue, jittered by a fifth: events are hints, and foreign tasks and due times
    /// send none.
    static let poll: Duration = .seconds(8)

    /// Makes the state directory and puts the Python client into it.
    ///
    /// - Throws: `HubError.invalidInput` for fewer than one slot, and a filter that runs code on the server; an error
    ///   that names the file where there is no supervisor or the state directory cannot be written.
    public init(hub: Hub, options: RunnerOptions, logger: Logger) throws {
        try Self.check(options)
        // A renewal must not wait behind a statement that waits for an election: a runner's own loops go on.
        let hub = hub.patience == nil ? hub : hub.with(patience: nil)
        try makeFolders(options.stateDirectory)
        var options = options
        options.stateDirectory = try AttemptLauncher.withoutLinks(options.stateDirectory)
        session = RunnerSession(
            hub,
            runner: ObjectID(),
            name: options.name,
            host: options.host,
            lease: options.lease
        )
        transport = session.by(.transport)
        currentOptions = Mutex(options)
        id = session.runner.description
        var logger = logger
        logger[metadataKey: "runner.id"] = "\(session.runner)"
        self.logger = logger
        damage = DamagedThings(stateDirectory: options.stateDirectory, logger: logger)
        damage.restoreMode(options.stateDirectory)
        launcher = try AttemptLauncher(
            stateDirectory: options.stateDirectory,
            supervisor: try SupervisorProcess.locate(configured: options.supervisorPath),
            environment: [ByteString: String](variables: environ),
            allowing: options.allowedEnvironment,
            python: options.python,
            damage: damage
        )
        openedCache = ContentCache(folder: "\(options.stateDirectory)/cache", limit: options.cacheLimit)
        pool = NIOThreadPool(numberOfThreads: min(options.slots, 4))
        presence = try RunnerPresence(
            stateDirectory: options.stateDirectory,
            runner: session.runner,
            damage: damage
        )
        let state = SharedRunnerState(slots: options.slots)
        self.state = state
        availability = Availability(logger, refusals: Refusals { state.tell() })
        claimBlock = DeliveryBlock(
            logger,
            .claims,
            in: availability,
            saying: "MongoDB takes no claims of this runner; it tries again at every look at the queue"
        )
        leaseBlock = DeliveryBlock(
            logger,
            .leases,
            in: availability,
            saying: "Cannot renew leases; the scripts run on"
        )
        beatBlock = DeliveryBlock(logger, in: availability, saying: "MongoDB takes no sign of life of this runner")
        persistence = Persistence { state.withLock { $0.phase == .killing } }
        endDelivery = EndDelivery(
            session,
            logger: logger,
            availability: availability,
            persistence: persistence
        )
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// The data sets and models of this machine.
    var cache: ContentCache {
        var cache = openedCache
        cache.limit = options.cacheLimit
        return cache
    }

    /// What runs and how much has, for a status line.
    public struct Snapshot: Sendable, Equatable {
        public var slots: Int
        public var running: Int
        /// Slots that processes hold which not even SIGKILL ends.
        public var blocked: Int
        public var done: Int
        public var isStopping: Bool
    }

    public var snapshot: Snapshot {
        state.withLock {
            Snapshot(
                slots: $0.slots,
                running: $0.attempts.count,
                blocked: $0.blocked.count,
                done: $0.done,
                isStopping: $0.isStopping
            )
        }
    }

    /// Takes other options while it runs: slots, what it takes and in which order, grace, limits. Name, state
    /// directory, lease, supervisor and environment stay as they were.
    ///
    /// - Throws: `HubError.invalidInput` as at the start; nothing changes then.
    public func reload(_ new: RunnerOptions) throws {
        try Self.check(new)
        currentOptions.withLock { $0.reload(from: new) }
        state.withLock { $0.slots = new.slots }
        mustLook.withLock { $0 = true }
        wake.yield()
    }

    private static func check(_ options: RunnerOptions) throws(HubError) {
        if options.slots < 1 {
            throw HubError(.invalidInput, field: "slots", "slots is \(options.slots); a runner needs at least 1")
        }
        // They are part of every claim.
        try QueryDanger.check(options.filter.document, field: "filter")
        if let sort = options.sort { try QueryDanger.check(sort.document, field: "sort") }
    }

    /// Runs until drained. The order at the end: scripts, their reports, then everything else.
    public func run() async throws {
        pool.start()
        await shielded { await self.runServices() }
        try await pool.shutdownGracefully()
    }

    /// Cancellation is turned into the last step of the ladder: what runs under the shield is not cancelled, so that
    /// the scripts are killed and their tasks given back in order.
    private func shielded<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value {
        let work = Task { await work() }
        return await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await work.value
            } onGracefulShutdown: {
                if self.state.withLock({ $0.phase }) == .running { self.escalate() }
            }
        } onCancel: {
            while self.state.withLock({ $0.phase }) != .killing { self.escalate() }
        }
    }

    private func runServices() async {
        await prepareDatabase()
        await register()
        await withTaskGroup(of: Void.self) { services in
            services.addTask { await self.keepHeartbeat() }
            services.addTask { await self.endDelivery.run() }
            services.addTask { await self.sendProgress() }
            services.addTask { await self.keepLeases() }
            services.addTask { await self.watchSupervisors() }
            services.addTask { await self.pollQueue() }
            services.addTask { await self.watchQueue() }
            services.addTask { await self.rescueTasks() }
            services.addTask { await self.sweepCheckpoints() }
            await claimAndRun()
            services.cancelAll()
        }
        await endHeartbeat()
    }

    /// What a single run came to.
    public enum OnceOutcome: Sendable, Equatable {
        /// Nothing could be claimed.
        case noTask
        /// The attempt is reported. `exit` and `signal` are the script's, where it ran.
        case ended(TaskStatus, exit: Int32?, signal: Int32?)
        /// The attempt is no longer this runner's, or could not be reported.
        case unreported
    }

    /// A single run cannot know whether MongoDB was away just before: then the others have had the time to renew.
    private static let overdueForOnce: Duration = .seconds(600)

    /// Claims one task, runs it and reports it. Instead of `run()`, once in the life of a runner.
    ///
    /// TensorLayer: `run_task`, `run_top_task`.
    public func runOnce() async throws -> OnceOutcome {
        try await identify()
        _ = try await session.rescue(overdue: Self.overdueForOnce)
        _ = try await session.adoptAndPromote()
        guard let task = try await claimOne(), let id = task.attemptID else { return .noTask }
        pool.start()
        let outcome = await shielded { await self.runOne(task, id) }
        try await pool.shutdownGracefully()
        return outcome
    }

    /// A claim whose reply is lost may have got a task: it is looked up until MongoDB answers.
    private func claimOne() async throws -> TaskRecord? {
        let token = ObjectID()
        do {
            return try await session.claim(1, options.query, token: token).tasks.first
        } catch {
            guard (error.underlying as? MongoError)?.isOutcomeUnknown == true else { throw error }
            logger.warning("The reply to a claim is lost; asking again", metadata: ["error": "\(error)"])
        }
        let found = await Persistence().untilAccepted { () async throws(HubError) in
            try? await session.putAsideRepeated(options.query)
            return try await session.claimed(by: token)
        } failed: { _, _ in
        }
        guard let found else { throw CancellationError() }
        return found.first
    }

    private func runOne(_ task: TaskRecord, _ id: AttemptID) async -> OnceOutcome {
        let (control, _) = admit(id)
        let execution = AttemptExecution(attemptContext, task: task, id: id, control: control)
        return await withTaskGroup(of: Void.self) { services in
            services.addTask { await self.endDelivery.run() }
            services.addTask { await self.sendProgress() }
            services.addTask { await self.keepLeases() }
            services.addTask { await self.watchSupervisors() }
            services.addTask { await self.watchQueue() }
            defer { services.cancelAll() }
            let end = await execution.run()
            self.state.withLock { $0.remove(id) }
            guard let end else { return .unreported }
            return .ended(end.status, exit: end.exit, signal: end.signal)
        }
    }

    /// A database that is away at the start is waited for: the machine may have booted faster than it.
    private func prepareDatabase() async {
        let isOver = { [state] in state.withLock { $0.phase != .running } }
        _ = try? await persistence.untilAccepted(isOver: isOver) {
            () async throws(HubError) in
            try await identify()
            availability.succeeded()
        } failed: { (error, _) throws(HubError) in
            guard availability.failed(error) else { return }
            logger.warning("Cannot prepare the database", metadata: ["error": "\(error)"])
            throw error
        }
    }

    private func identify() async throws(HubError) {
        try await hub.ensureIndexes()
        do throws(HubError) {
            let identity = try await hub.identity()
            databaseIdentity.withLock { $0 = identity }
        } catch {
            if error.isTransient { throw error }
            logger.warning(
                "Cannot tell this database from others; attempts of an earlier runner are not taken up",
                metadata: ["error": "\(error)"]
            )
        }
    }

    private func sendProgress() async {
        await progressBoard.run(transport, availability)
    }

    /// Sleeps, or returns at once when cancelled.
    func pause(_ duration: Duration) async { await persistence.pause(duration) }
}

/// Makes a folder with all that are missing above it.
private func makeFolders(_ path: String) throws(FileError) {
    var folder = path.bytes.hasPrefix("/") ? "" : "."
    for part in path.bytes.split(separator: "/") {
        let parent = folder
        folder += "/\(part)"
        if mkdir(folder, 0o755) == 0 || errno == EEXIST || access(folder, F_OK) == 0 { continue }
        // A script may have taken its own user's rights away, above the state directory too.
        guard errno == EACCES, GuardedPath.restoreRights(parent, in: AT_FDCWD),
            mkdir(folder, 0o755) == 0 || errno == EEXIST
        else {
            throw FileError("make folder", folder)
        }
    }
}
