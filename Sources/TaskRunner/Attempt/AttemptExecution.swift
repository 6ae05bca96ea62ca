import BSON
import Logging
import NIOPosix
import Synchronization
import TensorHub

/// One attempt from the claim to its end: lays out the directory, starts the supervisor, carries the output to MongoDB
/// while the script runs, and delivers how it ended.
final class AttemptExecution: Sendable {
    let context: AttemptContext
    let task: TaskRecord
    let id: AttemptID
    let control: AttemptControl
    /// Those of the same task that may still run here: they use the same devices and files.
    let earlier: [AttemptControl]
    /// What an earlier runner has left of it; `nil` for a new one.
    let takenOver: TakenOverAttempt?
    let logger: Logger

    /// Between two looks at a script's output. Readers see what was printed within a second.
    static let outputPoll: Duration = .milliseconds(300)
    /// Between two looks whether an earlier attempt has ended.
    static let endPoll: Duration = .milliseconds(50)
    /// A script that exits 85 sooner than this after its start is run again only after that time.
    static let checkpointPause: Duration = .seconds(60)
    /// How long a task waits that this machine could not start.
    static let machinePause: Duration = .seconds(30)
    /// Bytes that a document keeps free for the error, with 8 KiB of output, and the history entry of an attempt's end.
    static let endMargin = 32 * 1024
    /// The kind of failure of a task document that no runner can run.
    static let cannotRun = "cannot-run"

    init(
        _ context: AttemptContext,
        task: TaskRecord,
        id: AttemptID,
        control: AttemptControl,
        earlier: [AttemptControl] = [],
        takenOver: TakenOverAttempt? = nil
    ) {
        self.context = context
        self.task = task
        self.id = id
        self.control = control
        self.earlier = earlier
        self.takenOver = takenOver
        var logger = context.logger
        logger[metadataKey: "task.id"] = "\(id.task)"
        logger[metadataKey: "task.attempt"] = "\(id.number)"
        self.logger = logger
    }

    /// Returns the end that MongoDB has accepted, if it has.
    func run() async -> AttemptEnd? {
        let token = takenOver?.claim.token ?? ObjectID()
        let link = ScriptLink(
            context,
            task,
            id,
            control,
            takenOver?.directory ?? AttemptDirectory(id, in: context.launcher.attemptsFolder),
            token: token,
            logger: logger
        )
        return await withTaskGroup(of: Void.self) { services in
            services.addTask { await link.delivery.run() }
            let end = await run(token, link)
            context.progressBoard.remove(id)
            context.availability.refusals.passed(.attempt(id.task))
            services.cancelAll()
            return end
        }
    }

    private func run(_ token: ObjectID, _ link: ScriptLink) async -> AttemptEnd? {
        var ended = await execute(token, link)
        control.markEnded()
        let isMachineFault = ended.outcome == .stopped(reason: AttemptOutcome.machineFault) && takenOver == nil
        let rest = isMachineFault ? Self.machinePause : await judge(&ended)
        if rest == .zero { freeSlot() }
        // A machine that cannot start attempts must not run through the whole queue: its slot stays taken for a while.
        defer { if rest > .zero { freeSlot() } }
        await link.close()
        if ended.isOpen {
            logger.warning("Not reported; the attempt directory stays")
            return nil
        }
        guard let end = end(ended) else {
            await link.dropUploads()
            await keep(ended.directory)
            return nil
        }
        let accepted = await deliver(end, ended, link)
        await link.dropUploads()
        if rest > .zero { await pauseWhileRunning(rest) }
        return accepted
    }

    /// Sleeps, but not on when the runner is stopped.
    private func pauseWhileRunning(_ duration: Duration) async {
        await context.persistence.pause(duration) { context.state.withLock { $0.mayClaim } }
    }

    private func freeSlot() {
        context.state.withLock { $0.freeSlot() }
        context.wake.yield()
    }

    /// How it went, before it is an end.
    struct Ended: Sendable {
        var outcome: AttemptOutcome?
        /// In place of an outcome: it did not come to one.
        var failure: TaskFailure?
        var record: ExitRecord?
        /// Hyper-parameters that the script has no use for.
        var unused: [String] = []
        /// What this machine does not have, where that is why it failed.
        var lack: String?
        /// What follows, where the machine is at fault.
        var verdict: AttemptEnd.Transition?
        var directory: AttemptDirectory?
        var pump: OutputPump?
        /// The runner gave up before it could tell: the next one may.
        var isOpen = false
    }

    /// An attempt on this machine's disk: just started, or found there.
    struct Started {
        var directory: AttemptDirectory
        /// `nil` where it has ended already.
        var process: SupervisorProcess?
        var ending: SupervisorProcess.Ending = .unknown
        var token: ObjectID
        var output: OutputReader
        /// The number of the next chunk of output; `nil` where the runner gave up asking MongoDB for it.
        var seq: Int64? = 0
    }

    private func execute(_ token: ObjectID, _ link: ScriptLink) async -> Ended {
        let started: Started
        if let takenOver, let damage = takenOver.damage { return await endDamaged(takenOver, damage) }
        do {
            if let takenOver {
                guard let found = try await takeOver(takenOver, link) else { return Ended(isOpen: true) }
                started = found
            } else {
                started = try await launch(token, link)
            }
        } catch  where AttemptError.isOfMachine(error) && control.reason != nil {
            logger.notice("The attempt ended before its script began", metadata: ["error": "\(error)"])
            return Ended(outcome: .stopped(reason: control.reason?.rawValue ?? ""), directory: takenOver?.directory)
        } catch  where AttemptError.isOfMachine(error) {
            logger.error("This machine cannot start the attempt; the task goes back", metadata: ["error": "\(error)"])
            await context.tendFolders()
            return Ended(outcome: .stopped(reason: AttemptOutcome.machineFault), directory: takenOver?.directory)
        } catch {
            let kind = error is AttemptError ? AttemptOutcome.Kind.cannotStart.rawValue : Self.cannotRun
            let lack = (error as? AttemptError)?.lack
            return Ended(failure: TaskFailure(kind: kind, message: "\(error)"), lack: lack)
        }
        let pump = started.seq.map {
            OutputPump(
                id,
                context.store,
                pool: context.pool,
                reader: started.output,
                limit: context.options.outputLimit,
                from: $0,
                block: link.delivery.block,
                isLost: { [control] in control.isLeaseLost },
                persistence: context.persistence
            )
        }
        var ending = started.ending
        if let process = started.process {
            if takenOver == nil { control.attach(started.directory, process) }
            ending = await withTaskGroup(of: Void.self) { group in
                group.addTask { await pump?.run(every: Self.outputPoll) }
                let ending = await process.wait()
                group.cancelAll()
                return ending
            }
        }
        var ended = await conclude(started, ending, pump, link)
        // Nobody knows what of the output is stored.
        if pump == nil { ended.isOpen = true }
        return ended
    }
}
