import BSON
import Logging
import NIOPosix
import TensorHub

/// How an attempt comes to a script that runs: it is started, or found where an earlier runner has left it.
extension AttemptExecution {
    func launch(_ token: ObjectID, _ link: ScriptLink) async throws -> Started {
        var plan = try AttemptPlan(
            task,
            id,
            token: token,
            session: runner.session,
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
            let arrival = WaitingCheckpoints.arrivalName(of: id.task, runner.session.runner)
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

    /// Goes on where an earlier runner was killed; `nil` where this runner gives up before it can tell what became of
    /// it.
    func takeUp(_ inherited: InheritedAttempt, _ link: ScriptLink) async throws -> Started? {
        guard let state = await look(inherited) else { return nil }
        var process: SupervisorProcess?
        var ending = SupervisorProcess.Ending.unknown
        switch state {
        case .running(let found):
            process = found
            // At once: somebody may want it stopped while MongoDB is waited for.
            control.attach(inherited.directory, found)
        case .ended(let found): ending = found
        case .neverStarted:
            // A script that has given its journal's name to another folder may run all the same.
            _ = await endSurvivors(inherited.claim.token)
            throw AttemptError(.machine, "the runner ended before it had started the script")
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
                    return await endSurvivors(inherited.claim.token) ? .ended(.unknown) : nil
                }
            }
            if runner.mustGiveUp() { return nil }
            if pause >= .milliseconds(500) {
                if !hasWarned {
                    hasWarned = true
                    logger.error("Cannot tell yet what became of an attempt; asking again", metadata: facts)
                }
                // Its supervisor lives and cannot be named, so it cannot be asked to stop.
                if control.reason != nil, facts["error"] == nil { _ = await endSurvivors(inherited.claim.token) }
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
            try await runner.pool.runIfActive {
                let directory = link.backend.directory
                directory.restoreRights()
                try directory.emptySpool()
            }
            try await link.open()
        } catch {
            logger.error("The script API cannot go on; the script runs on without it", metadata: ["error": "\(error)"])
        }
    }

    /// Waits for MongoDB as long as it takes, while the script runs on; `nil` where the runner gives up.
    private func storedOutput() async -> (seq: Int64, offset: Int64)? {
        while !runner.mustGiveUp() {
            do throws(HubError) {
                return try await runner.transport.storedOutput(of: id)
            } catch {
                if runner.availability.failed(error) {
                    logger.error("Cannot see how much of the output is stored", metadata: ["error": "\(error)"])
                }
                await runner.pause(EndDelivery.retryPause)
            }
        }
        return nil
    }
}
