import BSON
import TensorHub

/// What an outcome is for its task.
extension AttemptExecution {
    /// What the outcome means for the task; `nil` where it is not ours to say any more.
    func end(_ ended: Ended) -> AttemptEnd? {
        let transition: AttemptEnd.Transition
        let cause: String
        switch ended.outcome {
        case nil:
            guard let failure = ended.failure else { return nil }
            transition = ended.verdict ?? failed(failure, ended.record)
            cause = failure.kind
        case .finished(let result):
            transition = .finish(result: result)
            cause = "finished"
        case .failed(let kind, let message, let tail):
            let failure = TaskFailure(kind: kind.rawValue, message: message, tail: tail)
            transition = ended.verdict ?? failed(failure, ended.record)
            cause = kind.rawValue
        case .lost(let kind, let message):
            transition = .lost(TaskFailure(kind: TaskStatements.runnerLost, message: message))
            cause = kind.rawValue
        case .checkpointed:
            let isEarly = (ended.record?.duration ?? .zero) < Self.checkpointPause
            transition = .release(delay: isEarly ? Self.checkpointPause : nil)
            cause = "checkpoint"
        case .stopped(let reason):
            switch control.reason {
            case .cancelled: transition = .cancelled
            case .leaseLost: return nil
            case .drain, .outage: transition = .release(delay: nil)
            case nil where takenOver != nil: transition = .release(delay: nil)
            case nil: transition = .release(delay: Self.machinePause)
            }
            cause = reason == AttemptOutcome.machineFault && takenOver != nil ? TaskStatements.runnerLost : reason
        }
        return AttemptEnd(
            id,
            transition: transition,
            cause: cause,
            exit: ended.record?.exit,
            signal: ended.record?.signal,
            peakMemory: ended.record?.peakMemory,
            outputLost: ended.record.map { $0.outputBytes - $0.outputStored } ?? 0,
            unused: ended.unused
        )
    }

    func failed(_ failure: TaskFailure, _ record: ExitRecord?) -> AttemptEnd.Transition {
        let rule = rule(for: failure, record)
        let isOwnError = failure.kind.bytes == AttemptOutcome.Kind.scriptError.rawValue.bytes && rule == nil
        let isHopeless = failure.kind == Self.cannotRun || rule?.action == .fail || isOwnError
        if isHopeless || task.failures >= task.maxFailures - 1 { return .fail(failure) }
        let isElsewhere = rule?.action == .elsewhere
        return .retry(
            failure,
            delay: isElsewhere ? .zero : backoff(task.backoff, afterFailures: task.failures),
            avoiding: isElsewhere ? context.options.name : nil
        )
    }

    /// What the task itself says of such a failure.
    func rule(for failure: TaskFailure, _ record: ExitRecord?) -> FailureRule? {
        task.rules.first { $0.matches(failure, exit: record?.exit, signal: record?.signal) }
    }
}

/// The wait after a failure: doubled with each one, bounded, and spread, so that tasks that failed together do not come
/// back together.
func backoff(_ first: Duration, afterFailures failures: Int) -> Duration {
    let doubled = first * (1 << max(0, min(failures, 20)))
    return min(doubled, TaskSpec.longestBackoff) * Double.random(in: 0.75...1.25)
}
