import BSON
import Logging
import NIOPosix
import TensorHub

/// The last steps of an attempt.
extension AttemptExecution {
    /// An end that waits is told where people look for the task.
    func report(_ end: AttemptEnd, _ ended: Ended, _ link: ScriptLink) async -> AttemptEnd? {
        await withTaskGroup(of: Void.self) { services in
            services.addTask {
                var told: String?
                while !Task.isCancelled {
                    await runner.pause(Self.obstaclePause)
                    guard let text = link.delivery.block.text, text != told, !Task.isCancelled else { continue }
                    told = text
                    let message = "the script has ended; \(text)"
                    runner.progressBoard.post(ScriptProgress(fraction: nil, message: message), of: id)
                }
            }
            defer { services.cancelAll() }
            return await reportInOrder(end, ended, link)
        }
    }

    /// Between two looks at what an end waits for.
    private static let obstaclePause: Duration = .seconds(2)

    /// Output first, so that whoever sees the end sees all of it; then the end; then the directory can go.
    private func reportInOrder(_ end: AttemptEnd, _ ended: Ended, _ link: ScriptLink) async -> AttemptEnd? {
        // All before the report: the next attempt may begin right after it.
        let keepsCheckpoint = end.status == .pending && countsFolder(ended, link)
        if keepsCheckpoint { await storeCheckpoint(ended, link) }
        guard await link.delivery.finish() else {
            if control.isLeaseLost {
                await keep(ended.directory)
            } else {
                logger.warning("Not reported: what the script wrote is not in MongoDB; the attempt directory stays")
            }
            return nil
        }
        if keepsCheckpoint, let directory = ended.directory {
            do {
                try await runner.pool.runIfActive { try directory.putAwayCheckpoint() }
            } catch {
                logger.error("The checkpoint is lost to this machine", metadata: ["error": "\(error)"])
                await runner.tendFolders()
            }
        }
        var end = end
        if let pump = ended.pump, ended.report?.outputBytes != 0 {
            guard await pump.finish() else {
                if control.isLeaseLost {
                    await keep(ended.directory)
                } else {
                    logger.warning("Not reported: the output is not in MongoDB; the attempt directory stays")
                }
                return nil
            }
            end.outputLost += await pump.refused
            if let missing = ended.report.map(pump.missing), missing > 0 {
                end.outputLost += missing
                logger.warning(
                    "Some of the script's output is lost: it is not in its journal any more",
                    metadata: ["bytes": "\(missing)"]
                )
            }
        }
        end.refused = link.delivery.refused
        while true {
            switch await runner.endDelivery.deliver(end) {
            case .accepted:
                logger.info("Attempt ended", metadata: ["cause": "\(end.cause)", "status": "\(end.status)"])
                if case .finish = end.transition { await releaseCheckpoint(link) }
                await discard(ended.directory)
                if case .failed(.journalLost, _, _) = ended.outcome { await discardMoved(ended.directory, link.token) }
                return end
            case .leaseLost:
                await keep(ended.directory)
                return nil
            case .refused(let message):
                logger.error("MongoDB refuses the report", metadata: ["error": "\(message)"])
                switch end.transition {
                case .finish:
                    let failure = TaskFailure(
                        kind: AttemptOutcome.Kind.badResult.rawValue,
                        message: "MongoDB does not take the result: \(message)"
                    )
                    end.transition = failed(failure, ended.report)
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

    /// The result does not count any more, but somebody may want to look at it.
    func keep(_ directory: AttemptDirectory?) async {
        var metadata: Logger.Metadata = [:]
        if let directory {
            let damage = runner.damage
            if let reason = inherited?.damage?.reason {
                _ = try? await runner.pool.runIfActive { damage.setAside(directory.path, reason) }
            } else if let path = try? await runner.pool.runIfActive({ try directory.keepForInspection(damage) }) {
                metadata["directory"] = "\(path)"
            }
        }
        logger.notice(
            "The attempt is no longer ours: another one exists or the task was ended. Its result does not count",
            metadata: metadata
        )
    }

    private func discardMoved(_ directory: AttemptDirectory?, _ token: ObjectID) async {
        guard let directory else { return }
        do {
            try await runner.pool.runIfActive { try directory.removeMoved(token) }
        } catch {
            logger.warning("Cannot look for what the script has moved", metadata: ["error": "\(error)"])
        }
    }

    private func discard(_ directory: AttemptDirectory?) async {
        guard let directory else { return }
        let damage = runner.damage
        do {
            if let reason = inherited?.damage?.reason {
                _ = try await runner.pool.runIfActive { damage.setAside(directory.path, reason) }
            } else {
                try await runner.pool.runIfActive { try directory.remove() }
            }
        } catch {
            // What nobody can remove must not be taken for an attempt again.
            _ = try? await runner.pool.runIfActive { damage.setAside(directory.path, "it cannot be removed: \(error)") }
        }
    }
}
