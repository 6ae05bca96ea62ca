import BSON
import Logging
import NIOPosix
import TensorHub

/// The last steps of an attempt.
extension AttemptExecution {
    /// An end that waits is told where people look for the task.
    func deliver(_ end: AttemptEnd, _ ended: Ended, _ link: ScriptLink) async -> AttemptEnd? {
        await withTaskGroup(of: Void.self) { services in
            services.addTask { [self] in
                var told: String?
                while !Task.isCancelled {
                    await context.persistence.pause(Self.blockPause)
                    guard let text = link.delivery.block.text, text != told, !Task.isCancelled else { continue }
                    told = text
                    let message = "the script has ended; \(text)"
                    context.progressBoard.post(ScriptProgress(fraction: nil, message: message), of: id)
                }
            }
            defer { services.cancelAll() }
            // Output first, so that whoever sees the end sees all of it; then the end; then the directory can go.
            var end = end
            guard await deliverWritten(&end, ended, link), await deliverOutput(&end, ended) else { return nil }
            return await deliverEnd(end, ended, link)
        }
    }

    /// Between two looks at what an end waits for.
    private static let blockPause: Duration = .seconds(2)

    /// What the script has written, and its checkpoint. All before the end: the next attempt may begin right after it.
    private func deliverWritten(_ end: inout AttemptEnd, _ ended: Ended, _ link: ScriptLink) async -> Bool {
        let keepsCheckpoint = end.status == .pending && countsFolder(ended, link)
        if keepsCheckpoint { await storeCheckpoint(ended, link) }
        guard await link.delivery.finish() else {
            await leave(ended, "Not reported: what the script wrote is not in MongoDB; the attempt directory stays")
            return false
        }
        if keepsCheckpoint, let directory = ended.directory {
            do {
                try await context.pool.runIfActive { try directory.putAwayCheckpoint() }
            } catch {
                logger.error("The checkpoint is lost to this machine", metadata: ["error": "\(error)"])
                await context.tendFolders()
            }
        }
        end.refused = link.delivery.refused
        return true
    }

    private func deliverOutput(_ end: inout AttemptEnd, _ ended: Ended) async -> Bool {
        guard let pump = ended.pump, ended.record?.outputBytes != 0 else { return true }
        guard await pump.finish() else {
            await leave(ended, "Not reported: the output is not in MongoDB; the attempt directory stays")
            return false
        }
        end.outputLost += await pump.refused
        if let missing = ended.record.map(pump.missing), missing > 0 {
            end.outputLost += missing
            logger.warning(
                "Some of the script's output is lost: it is not in its journal any more",
                metadata: ["bytes": "\(missing)"]
            )
        }
        return true
    }

    private func leave(_ ended: Ended, _ message: Logger.Message) async {
        if control.isLeaseLost { await keep(ended.directory) } else { logger.warning(message) }
    }

    private func deliverEnd(_ end: AttemptEnd, _ ended: Ended, _ link: ScriptLink) async -> AttemptEnd? {
        switch await context.endDelivery.deliver(end) {
        case .accepted:
            logger.info("Attempt ended", metadata: ["cause": "\(end.cause)", "status": "\(end.status)"])
            if case .finish = end.transition { await releaseCheckpoint(link) }
            await discard(ended.directory)
            if case .failed(.journalLost, _, _) = ended.outcome { await discardMoved(ended.directory, link.token) }
            return end
        case .leaseLost: await keep(ended.directory)
        case .refused(let message):
            logger.error("MongoDB refuses the report", metadata: ["error": "\(message)"])
            if let smaller = smaller(end, refused: message, ended.record) {
                return await deliverEnd(smaller, ended, link)
            }
        case nil: logger.warning("Not reported; the attempt directory stays")
        }
        return nil
    }

    /// In place of an end that MongoDB does not take; `nil` where there is no smaller one.
    private func smaller(_ end: AttemptEnd, refused message: String, _ record: ExitRecord?) -> AttemptEnd? {
        var end = end
        switch end.transition {
        case .finish:
            let failure = TaskFailure(
                kind: AttemptOutcome.Kind.badResult.rawValue,
                message: "MongoDB does not take the result: \(message)"
            )
            end.transition = failed(failure, record)
            end.cause = failure.kind
        case .minimalFailure: return nil
        default: end.transition = .minimalFailure
        }
        return end
    }

    /// The result does not count any more, but somebody may want to look at it.
    func keep(_ directory: AttemptDirectory?) async {
        var metadata: Logger.Metadata = [:]
        if let directory {
            let damage = context.damage
            if let reason = takenOver?.damage?.reason {
                _ = try? await context.pool.runIfActive { damage.setAside(directory.path, reason) }
            } else if let path = try? await context.pool.runIfActive({ try directory.keepForInspection(damage) }) {
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
            try await context.pool.runIfActive { try directory.removeMoved(token) }
        } catch {
            logger.warning("Cannot look for what the script has moved", metadata: ["error": "\(error)"])
        }
    }

    private func discard(_ directory: AttemptDirectory?) async {
        guard let directory else { return }
        let damage = context.damage
        do {
            if let reason = takenOver?.damage?.reason {
                _ = try await context.pool.runIfActive { damage.setAside(directory.path, reason) }
            } else {
                try await context.pool.runIfActive { try directory.remove() }
            }
        } catch {
            // What nobody can remove must not be taken for an attempt again.
            _ = try? await context.pool.runIfActive {
                damage.setAside(directory.path, "it cannot be removed: \(error)")
            }
        }
    }
}
