import BSON
import Logging
import NIOPosix
import Synchronization
import TensorHub

/// One attempt from the claim to the report: lays out the directory, starts the supervisor, carries the output to
/// MongoDB while the script runs, and reports how it ended.
struct AttemptExecution: Sendable {
    let runner: Runner
    let task: TaskRecord
    let key: AttemptKey
    let control: AttemptControl
    let logger: Logger

    /// Between two looks at a script's output. Readers see what was printed within a second.
    static let outputPoll: Duration = .milliseconds(300)
    /// A script that exits 85 sooner than this after its start is run again only after that time.
    static let checkpointPause: Duration = .seconds(60)
    /// The word for an attempt that this machine could not start, and how long the task then waits.
    static let machineFault = "machine"
    static let machinePause: Duration = .seconds(30)
    /// Bytes that a document keeps free for the error, with 8 KiB of output, and the history entry of an attempt's end.
    static let endMargin = 32 * 1024
    /// The kind of failure of a task document that no runner can run.
    static let cannotRun = "cannot-run"

    init(runner: Runner, task: TaskRecord, key: AttemptKey, control: AttemptControl) {
        self.runner = runner
        self.task = task
        self.key = key
        self.control = control
        var logger = runner.logger
        logger[metadataKey: "task.id"] = "\(key.taskID)"
        logger[metadataKey: "task.attempt"] = "\(key.attempt)"
        self.logger = logger
    }

    /// Returns the end that MongoDB has accepted, if it has.
    func run() async -> AttemptEnd? {
        let ended = await execute()
        control.markEnded()
        let isMachineFault = ended.outcome == .stopped(reason: Self.machineFault)
        if !isMachineFault { freeSlot() }
        // A machine that cannot start attempts must not run through the whole queue: its slot stays taken for a while.
        defer { if isMachineFault { freeSlot() } }
        guard let end = end(ended) else {
            logger.notice("The attempt is no longer ours; its result is not reported")
            await discard(ended.directory)
            return nil
        }
        let accepted = await report(end, ended)
        if isMachineFault { await runner.pauseWhileRunning(Self.machinePause) }
        return accepted
    }

    private func freeSlot() {
        runner.state.withLock { $0.freeSlot() }
        runner.wake.yield()
    }

    /// How it went, before it is a report.
    struct Ended: Sendable {
        var outcome: AttemptOutcome?
        /// In place of an outcome: it did not come to one.
        var failure: TaskFailure?
        var report: ExitReport?
        var directory: AttemptDirectory?
        var pump: OutputPump?
    }

    private func execute() async -> Ended {
        let launch: AttemptLauncher.Launched
        do {
            let plan = try AttemptPlan(
                task,
                attempt: key.attempt,
                runner: runner.runnerID,
                project: runner.hub.project,
                options: runner.options
            )
            launch = try await runner.pool.runIfActive { try runner.launcher.launch(plan) }
        } catch let error as AttemptError where error.code == .machine {
            logger.error("This machine cannot start the attempt; the task goes back", metadata: ["error": "\(error)"])
            return Ended(outcome: .stopped(reason: Self.machineFault))
        } catch {
            let kind = error is AttemptError ? AttemptOutcome.Kind.cannotStart.rawValue : Self.cannotRun
            return Ended(failure: TaskFailure(kind: kind, message: "\(error)"))
        }
        logger.debug("Started", metadata: ["script.pid": "\(launch.process.pid)"])
        control.attach(launch.directory, launch.process)

        let pump = OutputPump(
            key: key,
            hub: runner.hub,
            pool: runner.pool,
            reader: launch.output,
            limit: runner.options.outputLimit,
            mustGiveUp: runner.mustGiveUp
        )
        let status = await withTaskGroup(of: Void.self) { group in
            group.addTask { await pump.run(every: Self.outputPoll) }
            let status = await launch.process.wait()
            group.cancelAll()
            return status
        }
        let reason = control.reason?.rawValue
        let directory = launch.directory
        let savedResultKeys = task.savedResultKeys ?? []
        // What the end itself adds to the document is less than the margin.
        let room = max(0, TaskSpec.maximumDocumentSize - task.document.bytes.count - Self.endMargin)
        do {
            return try await runner.pool.runIfActive {
                let (report, outcome) = try directory.conclude(
                    supervisor: status,
                    savedResultKeys: savedResultKeys,
                    stopReason: reason,
                    output: launch.output,
                    resultLimit: room
                )
                return Ended(outcome: outcome, report: report, directory: directory, pump: pump)
            }
        } catch {
            return Ended(
                failure: TaskFailure(kind: "journal-lost", message: "\(error)"),
                directory: directory,
                pump: pump
            )
        }
    }

    /// What the outcome means for the task; `nil` where it is not ours to say any more.
    private func end(_ ended: Ended) -> AttemptEnd? {
        let transition: AttemptEnd.Transition
        let cause: String
        switch ended.outcome {
        case nil:
            guard let failure = ended.failure else { return nil }
            transition = failed(failure)
            cause = failure.kind
        case .finished(let result):
            transition = .finish(result: result)
            cause = "finished"
        case .failed(let kind, let message, let tail):
            transition = failed(TaskFailure(kind: kind.rawValue, message: message, tail: tail))
            cause = kind.rawValue
        case .checkpointed:
            let isEarly = (ended.report?.duration ?? .zero) < Self.checkpointPause
            transition = .release(delay: isEarly ? Self.checkpointPause : nil)
            cause = "checkpoint"
        case .stopped(let reason):
            switch control.reason {
            case .cancelled: transition = .cancelled
            case .leaseLost: return nil
            case .drain: transition = .release(delay: nil)
            case nil: transition = .release(delay: Self.machinePause)
            }
            cause = reason
        }
        return AttemptEnd(
            taskID: key.taskID,
            attempt: key.attempt,
            transition: transition,
            cause: cause,
            exit: ended.report?.exit,
            signal: ended.report?.signal,
            peakMemory: ended.report?.peakMemory
        )
    }

    private func failed(_ failure: TaskFailure) -> AttemptEnd.Transition {
        let isHopeless = failure.kind == Self.cannotRun
        return isHopeless || task.failures >= task.maxFailures - 1 ? .fail(failure) : .retry(failure)
    }

    /// Output first, so that whoever sees the end sees all of it; then the end; then the directory can go.
    private func report(_ end: AttemptEnd, _ ended: Ended) async -> AttemptEnd? {
        if end.status == .pending, let directory = ended.directory {
            // Before the report: the next attempt may begin right after it.
            do {
                try await runner.pool.runIfActive { try directory.keepCheckpoint() }
            } catch {
                logger.error("The checkpoint is lost", metadata: ["error": "\(error)"])
            }
        }
        if ended.report?.outputBytes != 0 {
            do {
                try await ended.pump?.finish()
            } catch {
                logger.error("Some of the output is lost", metadata: ["error": "\(error)"])
            }
        }
        var end = end
        while true {
            switch await runner.reporter.report(end) {
            case .accepted:
                logger.info("Attempt ended", metadata: ["cause": "\(end.cause)", "status": "\(end.status)"])
                await discard(ended.directory)
                return end
            case .leaseLost:
                logger.notice("Another attempt exists or the task was ended; this result does not count")
                await discard(ended.directory)
                return nil
            case .refused(let message):
                logger.error("MongoDB refuses the report", metadata: ["error": "\(message)"])
                switch end.transition {
                case .finish:
                    let failure = TaskFailure(
                        kind: AttemptOutcome.Kind.badResult.rawValue,
                        message: "MongoDB does not take the result: \(message)"
                    )
                    end.transition = failed(failure)
                    end.cause = failure.kind
                case .minimalFailure:
                    return nil
                default:
                    end.transition = .minimalFailure
                }
            case nil:
                logger.warning("Not reported; the attempt directory stays")
                return nil
            }
        }
    }

    private func discard(_ directory: AttemptDirectory?) async {
        guard let directory else { return }
        do {
            try await runner.pool.runIfActive { try directory.remove() }
        } catch {
            logger.warning("Cannot remove the attempt directory", metadata: ["error": "\(error)"])
        }
    }
}

extension AttemptPlan {
    /// Reads a claimed task.
    ///
    /// - Throws: `HubError.invalidInput` naming the field that makes it impossible to run.
    init(
        _ task: TaskRecord,
        attempt: Int,
        runner: ObjectID,
        project: String,
        options: RunnerOptions
    ) throws(HubError) {
        guard let id = task.id, let number = Int32(exactly: attempt) else {
            throw HubError(.invalidInput, field: "_id", "the task cannot be run: _id must be an ObjectId")
        }
        guard let script = task.script, !script.isEmpty else {
            throw HubError(
                .invalidInput,
                field: "script",
                "the task cannot be run: script must be binary and not empty"
            )
        }
        self.init(
            taskID: id,
            attempt: number,
            token: ObjectID(),
            runner: runner,
            task: task.withoutBlobs,
            taskName: task.name,
            project: project,
            script: script,
            interpreter: task.interpreter,
            hyperParameters: task.hyperParameters ?? [:],
            savedResultKeys: task.savedResultKeys ?? [],
            files: try task.files().map { AttemptFile(path: $0.path, mode: $0.mode, data: $0.data) },
            timeout: task.timeout,
            grace: task.grace ?? options.grace,
            outputLimit: Int64(options.outputLimit)
        )
    }
}
