import BSON
import Files
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
            runner: context.runner,
            project: context.queries.project,
            database: context.database,
            options: context.options
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
            let arrival = WaitingCheckpoints.arrivalName(of: id.task, context.runner)
            try? await context.pool.runIfActive { directory.removeArrived(arrival) }
            throw error
        }
        let launched: AttemptLauncher.Launched
        if plan.socketPath == nil {
            launched = try await context.pool.runIfActive { [self, plan] in try context.launcher.launch(plan) }
        } else {
            let prepared = try await context.pool.runIfActive { [self, plan] in try context.launcher.prepare(plan) }
            do {
                try await link.open()
            } catch {
                try? await context.pool.runIfActive { try prepared.directory.takeBack() }
                throw AttemptError(.machine, "the script API cannot listen: \(error)")
            }
            launched = try await context.pool.runIfActive { [self] in try context.launcher.start(prepared) }
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
    func takeOver(_ takenOver: TakenOverAttempt, _ link: ScriptLink) async throws -> Started? {
        guard let state = await look(takenOver) else { return nil }
        var process: SupervisorProcess?
        var ending = SupervisorProcess.Ending.unknown
        switch state {
        case .running(let found):
            process = found
            // At once: somebody may want it stopped while MongoDB is waited for.
            control.attach(takenOver.directory, found)
        case .ended(let found): ending = found
        case .neverStarted:
            // A script that has given its journal's name to another folder may run all the same.
            _ = await endSurvivors(takenOver.claim.token)
            throw AttemptError(.machine, "the runner ended before it had started the script")
        }
        await reopen(link, isRunning: process != nil)
        let stored = await storedOutput()
        let started = Started(
            directory: takenOver.directory,
            process: process,
            ending: ending,
            token: takenOver.claim.token,
            output: OutputReader(
                takenOver.directory,
                limit: takenOver.claim.outputLimit,
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
    private func look(_ takenOver: TakenOverAttempt) async -> TakenOverAttempt.State? {
        struct Unclear: Error {}
        var facts: Logger.Metadata = ["directory": "\(takenOver.directory.path)"]
        do {
            return try await context.persistence.untilAccepted(Backoff(.milliseconds(5), upTo: .seconds(1))) {
                guard let state = try await context.pool.runIfActive({ try takenOver.look() }) else { throw Unclear() }
                return state
            } failed: { error, failures in
                guard error is Unclear || (error as? FileError)?.mayPass == true else { throw error }
                // Half a second at least.
                if failures < 8 { return }
                if failures == 8 {
                    if !(error is Unclear) { facts["error"] = "\(error)" }
                    logger.error("Cannot tell yet what became of an attempt; asking again", metadata: facts)
                }
                // Its supervisor lives and cannot be named, so it cannot be asked to stop.
                if control.reason != nil, error is Unclear, !context.persistence.mustGiveUp() {
                    _ = await endSurvivors(takenOver.claim.token)
                }
            }
        } catch {
            facts["error"] = "\(error)"
            logger.error("An attempt directory cannot be read; its processes are ended", metadata: facts)
            return await endSurvivors(takenOver.claim.token) ? .ended(.unknown) : nil
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
            try await context.pool.runIfActive {
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
        let block = DeliveryBlock(
            logger,
            in: context.availability,
            saying: "Cannot see how much of the output is stored"
        )
        return await context.persistence.untilAccepted(block) { () async throws(HubError) in
            try await context.store.storedOutput(of: id)
        }
    }
}
