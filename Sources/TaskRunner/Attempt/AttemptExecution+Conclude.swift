import BSON
import Logging
import NIOPosix
import TensorHub

/// What is left of an attempt once its supervisor has ended: what the journal tells, and processes.
extension AttemptExecution {
    func conclude(
        _ started: Started,
        _ ending: SupervisorProcess.Ending,
        _ pump: OutputPump?,
        _ link: ScriptLink
    ) async -> Ended {
        let reason = control.reason?.rawValue ?? control.verdict?.rawValue
        let directory = started.directory
        let savedResultKeys = task.savedResultKeys ?? []
        // What the end itself adds to the document is less than the margin.
        let room = max(0, TaskSpec.maximumDocumentSize - task.document.bytes.count - Self.endMargin)
        var ended = await read(directory) {
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
                resultLimit: room,
                wasTakenUp: inherited != nil && started.process != nil
            )
            return Ended(outcome: outcome, report: report, directory: directory, pump: pump)
        }
        // That of the script API is another one of the same.
        if [directory, link.backend.directory].filter({ $0.state.restored?.take() == true }).count > 0 {
            logger.warning("The script has changed the modes of its attempt directory; what was needed is restored")
        }
        if let report = ended.report, let error = report.outputError {
            logger.warning(
                "Some of the script's output is lost: it found no room",
                metadata: ["error": "\(error)", "bytes": "\(report.outputBytes - report.outputStored)"]
            )
        }
        // A supervisor that ended in order has seen to it that nothing of the script is left.
        if ended.report?.hasSurvivors ?? true, await !endSurvivors(started.token) { ended.isOpen = true }
        return ended
    }

    /// What the journal tells. A machine that cannot read it now costs no work that is done: it is waited for, with the
    /// lease held, until the runner gives up or the attempt is no longer ours.
    private func read(_ directory: AttemptDirectory, _ body: @escaping @Sendable () throws -> Ended) async -> Ended {
        var pause = EndDelivery.retryPause
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

    /// An attempt whose directory does not tell what is needed to go on with it: whatever lives of it is ended first.
    func endDamaged(_ inherited: InheritedAttempt, _ damage: DamagedAttempt) async -> Ended {
        let directory = inherited.directory
        await runner.endProcesses(of: directory)
        // What is no directory has no checkpoint either.
        let isFolder = (try? await runner.pool.runIfActive { directory.isFolder }) == true
        _ = try? await runner.pool.runIfActive { [runner] in
            if damage.isGone {
                runner.damage.note(directory.path, damage.reason)
            } else if !isFolder {
                runner.damage.setAside(directory.path, damage.reason)
            }
        }
        return Ended(
            outcome: .lost(
                kind: .journalLost,
                message: "the attempt directory was damaged when its runner was started again: \(damage.reason)"
            ),
            directory: isFolder ? directory : nil
        )
    }

    /// How long processes may take to die after a runner has given up waiting for anything else.
    private static let lastPatience: Duration = .seconds(2)

    /// The slot is not free, and a cancelled task not cancelled, before every process of the attempt is dead.
    ///
    /// - Returns: Whether they are; not where the runner gives up, and leaves the attempt to the next one.
    func endSurvivors(_ token: ObjectID) async -> Bool {
        var hasWarned = false
        var pause: Duration = .milliseconds(10)
        var hopeless: ContinuousClock.Instant?
        while let pids = await killSurvivors(token), !pids.isEmpty {
            if runner.mustGiveUp() {
                hopeless = hopeless ?? .now
                if let hopeless, ContinuousClock.now - hopeless >= Self.lastPatience {
                    logger.error(
                        "Ending while the kernel holds processes that survive SIGKILL; the attempt is left to the next runner",
                        metadata: ["processes": "\(pids.map { ProcessEntry($0)?.text ?? "\($0)" })"]
                    )
                    return false
                }
                pause = min(pause, .milliseconds(200))
            }
            if pause >= .milliseconds(500), !hasWarned {
                hasWarned = true
                runner.state.withLock { $0.block(id) }
                logger.error(
                    "Processes survive SIGKILL, the kernel holds them; their slot is out of service until they are gone",
                    metadata: ["processes": "\(pids.map { ProcessEntry($0)?.text ?? "\($0)" })"]
                )
            }
            // Not `runner.pause`: it has to be waited for even when everything else is cancelled.
            await runner.uncancelledPause(pause)
            pause = min(pause * 2, .seconds(5))
        }
        if hasWarned {
            runner.state.withLock { $0.unblock(id) }
            logger.notice("The processes are gone; the slot is in service again")
        }
        return true
    }

    /// Asks again while the machine is too short of something to tell.
    private func killSurvivors(_ token: ObjectID) async -> [Int32]? {
        while true {
            do {
                return try await runner.pool.runIfActive { try AttemptSurvivors.kill(token) }
            } catch {
                guard (error as? AttemptError)?.mayPass == true else { return nil }
                await runner.uncancelledPause(EndDelivery.retryPause)
            }
        }
    }
}
