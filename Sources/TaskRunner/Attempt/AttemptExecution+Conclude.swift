import BSON
import Files
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
        let directory = started.directory
        let facts = AttemptFacts(
            supervisor: ending,
            savedResultKeys: task.savedResultKeys ?? [],
            stopReason: control.reason?.rawValue ?? control.verdict?.rawValue,
            // What the end itself adds to the document is less than the margin.
            resultLimit: max(0, TaskSpec.maximumDocumentSize - task.document.bytes.count - Self.endMargin)
        )
        var ended = await read(directory) { [self] in
            do {
                try link.delivery.take(UnsentRequests(backend: link.backend))
            } catch let error as FileError where error.mayPass {
                throw error
            } catch {
                logger.error(
                    "What the script could not send stays on this machine",
                    metadata: ["error": "\(error)"]
                )
            }
            let (record, outcome, lack) = try directory.conclude(
                facts,
                output: started.output,
                wasTakenOver: takenOver != nil && started.process != nil
            )
            let unused = task.hyperParameters?.isEmpty == false ? try directory.unusedParameters() : []
            return Ended(
                outcome: outcome,
                record: record,
                unused: unused,
                lack: lack,
                directory: directory,
                pump: pump
            )
        }
        // That of the script API is another one of the same.
        if [directory, link.backend.directory].filter({ $0.state.restored?.take() == true }).count > 0 {
            logger.warning("The script has changed the modes of its attempt directory; what was needed is restored")
        }
        if let record = ended.record, let error = record.outputError {
            logger.warning(
                "Some of the script's output is lost: it found no room",
                metadata: ["error": "\(error)", "bytes": "\(record.outputBytes - record.outputStored)"]
            )
        }
        // A supervisor that ended in order has seen to it that nothing of the script is left.
        if ended.record?.hasSurvivors ?? true, await !endSurvivors(started.token) { ended.isOpen = true }
        return ended
    }

    /// What the journal tells. A machine that cannot read it now costs no work that is done: it is waited for, with the
    /// lease held, until the runner gives up or the attempt is no longer ours.
    private func read(_ directory: AttemptDirectory, _ body: @escaping @Sendable () throws -> Ended) async -> Ended {
        do {
            let ended = try await context.persistence.untilAccepted(.growing) {
                try await context.pool.runIfActive(body)
            } failed: { error, failures in
                guard (error as? FileError)?.mayPass == true, !control.isLeaseLost else { throw error }
                guard failures == 1 else { return }
                logger.error(
                    "How the attempt ended cannot be read now; it is tried again",
                    metadata: ["error": "\(error)"]
                )
            }
            return ended ?? Ended(directory: directory, isOpen: true)
        } catch let error as FileError where error.mayPass {
            return Ended(directory: directory)
        } catch {
            let failure = TaskFailure(kind: AttemptOutcome.Kind.journalLost.rawValue, message: "\(error)")
            return Ended(failure: failure, directory: directory)
        }
    }

    /// An attempt whose directory does not tell what is needed to go on with it: whatever lives of it is ended first.
    func endDamaged(_ takenOver: TakenOverAttempt, _ damage: DamagedAttempt) async -> Ended {
        let directory = takenOver.directory
        await AttemptSurvivors.end(of: directory, context.pool, context.persistence, logger)
        // What is no directory has no checkpoint either.
        let isFolder = (try? await context.pool.runIfActive { directory.isFolder }) == true
        _ = try? await context.pool.runIfActive { [self] in
            if damage.isGone {
                context.damage.note(directory.path, damage.reason)
            } else if !isFolder {
                context.damage.setAside(directory.path, damage.reason)
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
        var backoff = Backoff(.milliseconds(10), upTo: .seconds(5))
        var hopeless: ContinuousClock.Instant?
        while let pids = await killSurvivors(token), !pids.isEmpty {
            var pause = backoff.next()
            if context.persistence.mustGiveUp() {
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
                context.state.withLock { $0.block(id) }
                logger.error(
                    "Processes survive SIGKILL, the kernel holds them; their slot is out of service until they are gone",
                    metadata: ["processes": "\(pids.map { ProcessEntry($0)?.text ?? "\($0)" })"]
                )
            }
            // Not `pause`: it has to be waited for even when everything else is cancelled.
            await context.persistence.pauseUncancelled(pause)
        }
        if hasWarned {
            context.state.withLock { $0.unblock(id) }
            logger.notice("The processes are gone; the slot is in service again")
        }
        return true
    }

    /// Asks again while the machine is too short of something to tell.
    private func killSurvivors(_ token: ObjectID) async -> [Int32]? {
        while true {
            do {
                return try await context.pool.runIfActive { try AttemptSurvivors.kill(token) }
            } catch {
                guard (error as? FileError)?.mayPass == true else { return nil }
                await context.persistence.pauseUncancelled(Backoff.firstPause)
            }
        }
    }
}
