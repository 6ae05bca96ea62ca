import BSON
import Glibc
import Logging
import MongoDriver
import Synchronization
import TensorHub
import Threads

/// The script API of one attempt. What a script writes is on this machine's disk when its request is answered, and goes
/// to MongoDB from there: no request but a query waits for MongoDB.
final class AttemptBackend: ScriptBackend, ScriptAttempt {
    let hub: Hub
    let transfers: Hub
    let id: AttemptID
    let directory: AttemptDirectory
    let delivery: OutboxDelivery
    let pool: TurnThreads
    private let bulk: BulkThreads
    let cache: ContentCache
    private let control: AttemptControl
    private let board: ProgressBoard
    private let grace: Duration
    /// Held while a file of the journal is changed: read, merged, written.
    private let results = Mutex<BSONDocument?>(nil)
    let fetched = Mutex(Fetched())
    /// The number of the latest.
    let checkpoints = Mutex(0)
    /// How many calls count on a folder of kept files that this process has put in place.
    let keptUses = Mutex<[ByteString: Int]>([:])
    /// For names of folders that are being filled.
    let partials = Atomic(0)

    /// Characters of a progress message that are kept.
    static let messageLimit = 1000
    /// Between two looks whether the supervisor has stopped the script by itself.
    static let controlPoll: Duration = .seconds(1)

    init(
        hub: Hub,
        transfers: Hub,
        _ id: AttemptID,
        directory: AttemptDirectory,
        delivery: OutboxDelivery,
        control: AttemptControl,
        board: ProgressBoard,
        pool: TurnThreads,
        bulk: BulkThreads,
        cache: ContentCache,
        grace: Duration
    ) {
        self.hub = hub
        self.transfers = transfers
        self.id = id
        self.directory = directory
        self.delivery = delivery
        self.control = control
        self.board = board
        self.pool = pool
        self.bulk = bulk
        self.cache = cache
        self.grace = grace
    }

    var attempt: (any ScriptAttempt)? { self }
    var spoolFolder: String { directory.spoolPath }

    func task() async throws(HubError) -> BSONDocument {
        let document = try await onDisk { try $0.task() }
        guard let document else {
            throw HubError(.notFound, "the task's file is gone; the script must not remove its journal")
        }
        return document
    }

    func settle() async { await delivery.settle() }

    // MARK: Logs

    func saveLogs(_ kind: LogKind, _ values: [BSONDocument]) async throws(HubError) {
        if values.isEmpty { return }
        try await delivery.append(try records(kind, values))
    }

    /// The entries as they will be stored.
    ///
    /// - Throws: `HubError.invalidInput` that names the field.
    func records(_ kind: LogKind, _ values: [BSONDocument]) throws(HubError) -> [OutboxRecord] {
        try Hub.logDocuments(values, project: hub.project, time: hub.estimatedTime(), origin: id)
            .map { OutboxRecord(kind: .init(kind), payload: $0) }
    }

    // MARK: Results, progress, control

    func mergeResults(_ new: BSONDocument) async throws(HubError) {
        try await onDisk { _ in try self.merge(new) }
    }

    /// Blocks.
    func merge(_ new: BSONDocument) throws {
        try results.withLock { known in
            guard let before = try known ?? directory.reportedResult() else {
                throw HubError(.database, "the results so far cannot be read: the disk has damaged them")
            }
            let both = [before, new].flatMap { $0.map { ($0.key, $0.value) } }
            let all = BSONDocument(elements: both).withoutRepeatedKeys
            if all.bytes.count > AttemptDirectory.resultLimit {
                throw HubError(
                    .invalidInput,
                    "the results would have \(all.bytes.count) bytes, and a task has room for less than "
                        + "\(AttemptDirectory.resultLimit); save large ones as a model or a data set"
                )
            }
            if all.isNested(deeperThan: LogEntry.deepest) {
                throw HubError(
                    .invalidInput,
                    field: "results",
                    "the results are nested deeper than \(LogEntry.deepest) levels; flatten them"
                )
            }
            try directory.write(reportedResult: all)
            known = all
        }
    }

    func report(_ progress: ScriptProgress) async throws(HubError) {
        if let fraction = progress.fraction, !(0...1).contains(fraction) {
            throw HubError(
                .invalidInput,
                field: "fraction",
                "fraction: \(fraction) is not from 0 to 1; give the part that is done"
            )
        }
        var progress = progress
        progress.message = progress.message.map { String($0.prefix(Self.messageLimit)) }
        board.post(progress, of: id)
    }

    func control(waiting: Duration) async -> ScriptControl {
        let end = ContinuousClock.now + waiting
        while true {
            if let stopped = control.stopped {
                let left = stopped.mustDie ? .zero : max(.zero, grace - (ContinuousClock.now - stopped.since))
                return ScriptControl(stop: true, reason: stopped.reason.rawValue, remaining: left)
            }
            // Out of time, or silent for too long: the supervisor stops the script by itself and leaves its reason.
            if let reason = try? await onDisk({ try $0.stopReason() }) {
                return ScriptControl(stop: true, reason: reason)
            }
            let left = end - .now
            if left <= .zero || Task.isCancelled || control.isOver { return ScriptControl() }
            await control.waitForStop(upTo: min(left, Self.controlPoll))
        }
    }

    // MARK: Disk

    /// Runs a call on the attempt directory where it may block.
    func onDisk<Value: Sendable>(
        _ body: @escaping @Sendable (AttemptDirectory) throws -> Value
    ) async throws(HubError) -> Value {
        do {
            return try await pool.runIfActive { [directory] in try body(directory) }
        } catch let error as HubError {
            throw error
        } catch {
            throw HubError(writing: error)
        }
    }

    /// The same for what may take minutes, as syncing a large file: nothing prompt waits behind it.
    func inBulk<Value: Sendable>(
        _ body: @escaping @Sendable (AttemptDirectory) throws -> Value
    ) async throws(HubError) -> Value {
        do {
            return try await bulk.run { [directory] in try body(directory) }
        } catch let error as HubError {
            throw error
        } catch {
            throw HubError(writing: error)
        }
    }
}
