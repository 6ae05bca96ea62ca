import BSON
import Logging
import TensorHub

/// A machine that does not have what a task needs must neither eat the queue nor fail the tasks.
extension AttemptExecution {
    /// Decides what follows where this machine is at fault, and not the script: the task goes to another machine,
    /// unless another one has failed it for the same reason, or there is none. Rules of the task's go first.
    ///
    /// - Returns: How long the slot stays taken.
    func judge(_ ended: inout Ended) async -> Duration {
        switch ended.outcome {
        case .finished, .checkpointed: context.needs.met()
        // It found what it needs, and failed of something else.
        case .failed where ended.lack == nil: context.needs.met()
        default: break
        }
        guard let what = ended.lack, control.reason == nil, let failure = ended.asFailure,
            rule(for: failure, ended.record) == nil
        else { return .zero }
        let lack = HostLack(host: context.options.host, what: what, attempt: id.number)
        logger.notice("This machine does not have what the task needs", metadata: ["host": "\(lack.text)"])
        let others = task.lacks.filter { $0.host.bytes != lack.host.bytes }
        // Two machines say the same: that is no fault of this one.
        if others.contains(where: { $0.what.bytes == what.bytes }) {
            ended.verdict = verdict(failure, lack, others, isServed: false, isAgreed: true)
            return .zero
        }
        let (reason, rest) = context.needs.lacked(
            what,
            script: task.script ?? [],
            limit: context.options.pausesAfter
        )
        if let reason { await pauseRunner(reason) }
        do {
            guard let isServed = try await isServed(besides: others + [lack]) else {
                ended.isOpen = true
                return .zero
            }
            ended.verdict = verdict(failure, lack, others, isServed: isServed, isAgreed: false)
        } catch {
            logger.error("Cannot tell whether another machine takes the task", metadata: ["error": "\(error)"])
        }
        return rest
    }

    private func verdict(
        _ failure: TaskFailure,
        _ lack: HostLack,
        _ others: [HostLack],
        isServed: Bool,
        isAgreed: Bool
    ) -> AttemptEnd.Transition {
        var failure = failure
        if isServed {
            failure.message = "\(lack.text); it goes to another machine"
            return .elsewhere(failure, lack)
        }
        let hosts = (others + [lack]).map(\.text).joined(separator: "; ")
        failure.message = isAgreed ? hosts : "\(hosts), and no runner of another machine takes the task now"
        return .fail(failure)
    }

    /// Asks until MongoDB answers; `nil` where the runner gives up.
    private func isServed(besides lacks: [HostLack]) async throws(HubError) -> Bool? {
        try await context.persistence.untilAccepted(.growing) { () async throws(HubError) in
            // One that is somebody else's meanwhile is judged there.
            if control.isLeaseLost { return true }
            return try await context.store.isServed(task, besides: lacks.map(\.host))
        } failed: { (error, _) throws(HubError) in
            if !error.isTransient { throw error }
        }
    }

    /// Claims nothing from now on. What MongoDB does not take of it now it may take later: until then others cannot see
    /// the reason.
    private func pauseRunner(_ reason: String) async {
        guard context.state.withLock({ $0.pauseItself() }) else { return }
        logger.error(
            "This runner pauses itself; `tensorhub runner resume` has it go on",
            metadata: ["reason": "\(reason)"]
        )
        do {
            _ = try await context.persistence.untilAccepted(.growing) { () async throws(HubError) in
                try await context.store.pauseItself(reason)
            } failed: { (error, _) throws(HubError) in
                if !error.isTransient { throw error }
            }
        } catch {
            logger.error("The reason of the pause cannot be stored", metadata: ["error": "\(error)"])
        }
    }
}

extension AttemptExecution.Ended {
    /// The failure that it is, before anybody asks what follows.
    fileprivate var asFailure: TaskFailure? {
        if case .failed(let kind, let message, let tail) = outcome {
            return TaskFailure(kind: kind.rawValue, message: message, tail: tail)
        }
        return outcome == nil ? failure : nil
    }
}
