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
    /// Those of the same task that may still run here: they use the same devices and files.
    let earlier: [AttemptControl]
    /// What an earlier runner has left of it; `nil` for a new one.
    let inherited: InheritedAttempt?
    let logger: Logger

    /// Between two looks at a script's output. Readers see what was printed within a second.
    static let outputPoll: Duration = .milliseconds(300)
    /// Between two looks whether an earlier attempt has ended.
    static let endPoll: Duration = .milliseconds(50)
    /// A script that exits 85 sooner than this after its start is run again only after that time.
    static let checkpointPause: Duration = .seconds(60)
    /// The word for an attempt that this machine could not start, and how long the task then waits.
    static let machineFault = "machine"
    static let machinePause: Duration = .seconds(30)
    /// Bytes that a document keeps free for the error, with 8 KiB of output, and the history entry of an attempt's end.
    static let endMargin = 32 * 1024
    /// The kind of failure of a task document that no runner can run.
    static let cannotRun = "cannot-run"

    init(
        runner: Runner,
        task: TaskRecord,
        key: AttemptKey,
        control: AttemptControl,
        earlier: [AttemptControl] = [],
        inherited: InheritedAttempt? = nil
    ) {
        self.runner = runner
        self.task = task
        self.key = key
        self.control = control
        self.earlier = earlier
        self.inherited = inherited
        var logger = runner.logger
        logger[metadataKey: "task.id"] = "\(key.taskID)"
        logger[metadataKey: "task.attempt"] = "\(key.attempt)"
        self.logger = logger
    }

    /// Returns the end that MongoDB has accepted, if it has.
    func run() async -> AttemptEnd? {
        let token = inherited?.claim.token ?? ObjectID()
        let link = ScriptLink(
            runner,
            task,
            key,
            control,
            inherited?.directory
                ?? AttemptDirectory(
                    taskID: key.taskID,
                    attempt: Int32(clamping: key.attempt),
                    in: runner.launcher.attemptsFolder
                ),
            token: token,
            logger: logger
        )
        return await withTaskGroup(of: Void.self) { services in
            services.addTask { await link.delivery.run() }
            let end = await run(token, link)
            runner.progressBoard.remove(key)
            services.cancelAll()
            return end
        }
    }

    private func run(_ token: ObjectID, _ link: ScriptLink) async -> AttemptEnd? {
        let ended = await execute(token, link)
        control.markEnded()
        let isMachineFault = ended.outcome == .stopped(reason: Self.machineFault) && inherited == nil
        if !isMachineFault { freeSlot() }
        // A machine that cannot start attempts must not run through the whole queue: its slot stays taken for a while.
        defer { if isMachineFault { freeSlot() } }
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
        let accepted = await report(end, ended, link)
        await link.dropUploads()
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
        /// The runner gave up before it could tell: the next one may.
        var isOpen = false
    }

    /// An attempt on this machine's disk: just started, or found there.
    private struct Started {
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
        do {
            if let inherited {
                guard let found = try await takeUp(inherited, link) else { return Ended(isOpen: true) }
                started = found
            } else {
                started = try await launch(token, link)
            }
        } catch let error as AttemptError where error.code == .machine && control.reason != nil {
            logger.notice("The attempt ended before its script began", metadata: ["error": "\(error)"])
            return Ended(outcome: .stopped(reason: control.reason?.rawValue ?? ""), directory: inherited?.directory)
        } catch let error as AttemptError where error.code == .machine {
            logger.error("This machine cannot start the attempt; the task goes back", metadata: ["error": "\(error)"])
            return Ended(outcome: .stopped(reason: Self.machineFault), directory: inherited?.directory)
        } catch {
            let kind = error is AttemptError ? AttemptOutcome.Kind.cannotStart.rawValue : Self.cannotRun
            return Ended(failure: TaskFailure(kind: kind, message: "\(error)"))
        }
        let pump = started.seq.map {
            OutputPump(
                key: key,
                hub: runner.hub,
                pool: runner.pool,
                reader: started.output,
                limit: runner.options.outputLimit,
                from: $0,
                contact: runner.contact,
                obstacle: link.delivery.obstacle,
                isLost: { [control] in control.isLeaseLost },
                mustGiveUp: runner.mustGiveUp
            )
        }
        var ending = started.ending
        if let process = started.process {
            if inherited == nil { control.attach(started.directory, process) }
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

    private func launch(_ token: ObjectID, _ link: ScriptLink) async throws -> Started {
        var plan = try AttemptPlan(
            task,
            attempt: key.attempt,
            token: token,
            runner: runner.runnerID,
            hub: runner.hub,
            database: runner.database,
            options: runner.options
        )
        plan.socketPath = link.offeredPath
        let directory = link.backend.directory
        do {
            try await beforeStop { [self] in
                while earlier.contains(where: { !$0.isOver }) { try await Task.sleep(for: Self.endPoll) }
                try await fetchCheckpoint(directory)
            }
        } catch {
            // Cancelled, it could not remove what had come.
            let arrival = WaitingCheckpoints.arrivalName(of: key.taskID, runner.runnerID)
            try? await runner.pool.runIfActive { directory.removeArrived(arrival) }
            throw error
        }
        let launched: AttemptLauncher.Launched
        if plan.socketPath == nil {
            launched = try await runner.pool.runIfActive { [plan] in try runner.launcher.launch(plan) }
        } else {
            let prepared = try await runner.pool.runIfActive { [plan] in try runner.launcher.prepare(plan) }
            do {
                try await link.open()
            } catch {
                try? await runner.pool.runIfActive { try prepared.directory.takeBack() }
                throw AttemptError(.machine, "the script API cannot listen: \(error)")
            }
            launched = try await runner.pool.runIfActive { try runner.launcher.start(prepared) }
        }
        logger.debug("Started", metadata: ["script.pid": "\(launched.process.pid)"])
        return Started(
            directory: launched.directory,
            process: launched.process,
            token: token,
            output: launched.output
        )
    }

    /// What may take long before there is a script, and is not worth going on with once the attempt is to stop.
    private func beforeStop(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await self.control.waitForStop()
                // Cancelled, it is the body that has ended.
                if !Task.isCancelled { throw AttemptError(.machine, "it was stopped before it began") }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Goes on where an earlier runner was killed; `nil` where this runner gives up before it can tell what became of it.
    private func takeUp(_ inherited: InheritedAttempt, _ link: ScriptLink) async throws -> Started? {
        guard let state = await look(inherited) else { return nil }
        var process: SupervisorProcess?
        var ending = SupervisorProcess.Ending.unknown
        switch state {
        case .running(let found):
            process = found
            // At once: somebody may want it stopped while MongoDB is waited for.
            control.attach(inherited.directory, found)
        case .ended(let found): ending = found
        case .neverStarted: throw AttemptError(.machine, "the runner ended before it had started the script")
        }
        await reopen(link, isRunning: process != nil)
        let stored = await storedOutput()
        let started = Started(
            directory: inherited.directory,
            process: process,
            ending: ending,
            token: inherited.claim.token,
            output: OutputReader(
                inherited.directory,
                limit: inherited.claim.outputLimit,
                from: stored?.offset ?? 0
            ),
            seq: stored?.seq
        )
        logger.notice(
            started.process == nil
                ? "An attempt of an earlier runner has ended meanwhile" : "Taking up an attempt of an earlier runner",
            metadata: ["supervisor.pid": "\(started.process.map { "\($0.pid)" } ?? "-")"]
        )
        return started
    }

    /// What has become of it. Asks again while that cannot be told; `nil` where the runner gives up.
    private func look(_ inherited: InheritedAttempt) async -> InheritedAttempt.State? {
        var pause: Duration = .milliseconds(5)
        var hasWarned = false
        while true {
            var facts: Logger.Metadata = ["directory": "\(inherited.directory.path)"]
            do {
                if let state = try await runner.pool.runIfActive({ try inherited.look() }) { return state }
            } catch {
                facts["error"] = "\(error)"
                if (error as? AttemptError)?.mayPass != true {
                    logger.error("An attempt directory cannot be read; its processes are ended", metadata: facts)
                    await endSurvivors(inherited.claim.token)
                    return .ended(.unknown)
                }
            }
            if runner.mustGiveUp() { return nil }
            if pause >= .milliseconds(500) {
                if !hasWarned {
                    hasWarned = true
                    logger.error("Cannot tell yet what became of an attempt; asking again", metadata: facts)
                }
                // Its supervisor lives and cannot be named, so it cannot be asked to stop.
                if control.reason != nil, facts["error"] == nil { await endSurvivors(inherited.claim.token) }
            }
            await runner.pause(pause)
            pause = min(pause * 2, .seconds(1))
        }
    }

    /// What the script has written so far goes on to MongoDB; a script that lives finds the API where it was.
    private func reopen(_ link: ScriptLink, isRunning: Bool) async {
        do {
            try await link.delivery.recover()
        } catch {
            // The delivery tries again. Until then the API refuses to write, and the client keeps what it has.
            logger.error("What the script wrote cannot be read yet", metadata: ["error": "\(error)"])
        }
        do {
            guard isRunning, link.offeredPath != nil else { return }
            try await runner.pool.runIfActive { try link.backend.directory.emptySpool() }
            try await link.open()
        } catch {
            logger.error("The script API cannot go on; the script runs on without it", metadata: ["error": "\(error)"])
        }
    }

    /// Waits for MongoDB as long as it takes, while the script runs on; `nil` where the runner gives up.
    private func storedOutput() async -> (seq: Int64, offset: Int64)? {
        while !runner.mustGiveUp() {
            do throws(HubError) {
                return try await runner.hub.storedOutput(of: key.taskID, attempt: key.attempt)
            } catch {
                if runner.contact.failed(error) {
                    logger.error("Cannot see how much of the output is stored", metadata: ["error": "\(error)"])
                }
                await runner.pause(Reporter.retryPause)
            }
        }
        return nil
    }

    private func conclude(
        _ started: Started,
        _ ending: SupervisorProcess.Ending,
        _ pump: OutputPump?,
        _ link: ScriptLink
    ) async -> Ended {
        let reason = control.reason?.rawValue
        let directory = started.directory
        let savedResultKeys = task.savedResultKeys ?? []
        // What the end itself adds to the document is less than the margin.
        let room = max(0, TaskSpec.maximumDocumentSize - task.document.bytes.count - Self.endMargin)
        let ended = await read(directory) {
            do {
                try link.delivery.take(UnsentRequests(backend: link.backend))
            } catch let error as AttemptError where error.mayPass {
                throw error
            } catch {
                logger.error(
                    "What the script could not send stays on this machine",
                    metadata: ["error": "\(error)"]
                )
            }
            let (report, outcome) = try directory.conclude(
                supervisor: ending,
                savedResultKeys: savedResultKeys,
                stopReason: reason,
                output: started.output,
                resultLimit: room
            )
            return Ended(outcome: outcome, report: report, directory: directory, pump: pump)
        }
        if let report = ended.report, let error = report.outputError {
            logger.warning(
                "Some of the script's output is lost: it found no room",
                metadata: ["error": "\(error)", "bytes": "\(report.outputBytes - report.outputStored)"]
            )
        }
        // A supervisor that ended in order has seen to it that nothing of the script is left.
        if ended.report == nil || ended.report?.survivors.isEmpty == false { await endSurvivors(started.token) }
        return ended
    }

    /// What the journal tells. A machine that cannot read it now costs no work that is done: it is waited for, with the lease
    /// held, until the runner gives up or the attempt is no longer ours.
    private func read(_ directory: AttemptDirectory, _ body: @escaping @Sendable () throws -> Ended) async -> Ended {
        var pause = Reporter.retryPause
        var hasWarned = false
        while true {
            do {
                return try await runner.pool.runIfActive(body)
            } catch let error as AttemptError where error.mayPass {
                if control.isLeaseLost { return Ended(directory: directory) }
                if runner.mustGiveUp() { return Ended(directory: directory, isOpen: true) }
                if !hasWarned {
                    hasWarned = true
                    logger.error(
                        "How the attempt ended cannot be read now; it is tried again",
                        metadata: ["error": "\(error)"]
                    )
                }
            } catch {
                let failure = TaskFailure(kind: AttemptOutcome.Kind.journalLost.rawValue, message: "\(error)")
                return Ended(failure: failure, directory: directory)
            }
            await runner.pause(pause)
            pause = min(pause * 2, OutboxDelivery.longestPause)
        }
    }

    /// The slot is not free, and a cancelled task not cancelled, before every process of the attempt is dead.
    private func endSurvivors(_ token: ObjectID) async {
        var hasWarned = false
        var pause: Duration = .milliseconds(10)
        while let pids = await killSurvivors(token), !pids.isEmpty {
            if pause >= .milliseconds(500), !hasWarned {
                hasWarned = true
                runner.state.withLock { $0.block(key) }
                logger.error(
                    "Processes survive SIGKILL, the kernel holds them; their slot is out of service until they are gone",
                    metadata: ["pids": "\(pids)"]
                )
            }
            // Not `runner.pause`: it has to be waited for even when everything else is cancelled.
            await uncancelledPause(pause)
            pause = min(pause * 2, .seconds(5))
        }
        if hasWarned {
            runner.state.withLock { $0.unblock(key) }
            logger.notice("The processes are gone; the slot is in service again")
        }
    }

    /// Asks again while the machine is too short of something to tell.
    private func killSurvivors(_ token: ObjectID) async -> [Int32]? {
        while true {
            do {
                return try await runner.pool.runIfActive { try AttemptSurvivors.kill(token) }
            } catch {
                guard (error as? AttemptError)?.mayPass == true else { return nil }
                await uncancelledPause(Reporter.retryPause)
            }
        }
    }

    private func uncancelledPause(_ duration: Duration) async {
        await Task { try? await Task.sleep(for: duration) }.value
    }

    /// What the outcome means for the task; `nil` where it is not ours to say any more.
    private func end(_ ended: Ended) -> AttemptEnd? {
        let transition: AttemptEnd.Transition
        let cause: String
        switch ended.outcome {
        case nil:
            guard let failure = ended.failure else { return nil }
            transition = failed(failure, ended.report)
            cause = failure.kind
        case .finished(let result):
            transition = .finish(result: result)
            cause = "finished"
        case .failed(let kind, let message, let tail):
            transition = failed(TaskFailure(kind: kind.rawValue, message: message, tail: tail), ended.report)
            cause = kind.rawValue
        case .lost(let kind, let message):
            transition = .lost(TaskFailure(kind: TaskStatements.runnerLost, message: message))
            cause = kind.rawValue
        case .checkpointed:
            let isEarly = (ended.report?.duration ?? .zero) < Self.checkpointPause
            transition = .release(delay: isEarly ? Self.checkpointPause : nil)
            cause = "checkpoint"
        case .stopped(let reason):
            switch control.reason {
            case .cancelled: transition = .cancelled
            case .leaseLost: return nil
            case .drain, .outage: transition = .release(delay: nil)
            case nil where inherited != nil: transition = .release(delay: nil)
            case nil: transition = .release(delay: Self.machinePause)
            }
            cause = reason == Self.machineFault && inherited != nil ? TaskStatements.runnerLost : reason
        }
        return AttemptEnd(
            taskID: key.taskID,
            attempt: key.attempt,
            transition: transition,
            cause: cause,
            exit: ended.report?.exit,
            signal: ended.report?.signal,
            peakMemory: ended.report?.peakMemory,
            outputLost: ended.report.map { $0.outputBytes - $0.outputStored } ?? 0
        )
    }

    func failed(_ failure: TaskFailure, _ report: ExitReport?) -> AttemptEnd.Transition {
        let rule = task.rules.first { $0.matches(failure, exit: report?.exit, signal: report?.signal) }
        let isHopeless = failure.kind == Self.cannotRun || rule?.action == .fail
        if isHopeless || task.failures >= task.maxFailures - 1 { return .fail(failure) }
        let isElsewhere = rule?.action == .elsewhere
        return .retry(
            failure,
            delay: isElsewhere ? .zero : backoff(task.backoff, afterFailures: task.failures),
            avoiding: isElsewhere ? runner.options.name : nil
        )
    }
}

/// The wait after a failure: doubled with each one, bounded, and spread, so that tasks that failed together do not come
/// back together.
func backoff(_ first: Duration, afterFailures failures: Int) -> Duration {
    let doubled = first * (1 << max(0, min(failures, 20)))
    return min(doubled, TaskSpec.longestBackoff) * Double.random(in: 0.75...1.25)
}
