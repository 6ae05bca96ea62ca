import Logging
import Synchronization

/// How a runner ends: handed over, or down the ladder.
extension Runner {
    /// Claims nothing more and returns once every claimed task has its supervisor: then this process may end, and the
    /// next runner of the machine takes the attempts up. After half a lease it may end anyway: what it has claimed and
    /// not begun waits for its lease to expire.
    ///
    /// - Returns: Whether to end; not where the runner was asked to step down meanwhile, or the wait was cancelled.
    public func prepareHandOver() async -> Bool {
        let before = state.withLock { state in
            state.isHandingOver = true
            return state.phase
        }
        let start = ContinuousClock.now
        while ContinuousClock.now - start < options.lease / 2 {
            let (phase, isClaiming, waiting) = state.withLock { state in
                (state.phase, state.isClaiming, state.attempts.values.filter { !$0.isStarted })
            }
            if phase != before || Task.isCancelled { return false }
            if !isClaiming, waiting.isEmpty { return true }
            // A checkpoint that takes long to come is not waited for: the task goes back.
            if ContinuousClock.now - start > options.lease / 8 { for control in waiting { control.stop(.drain) } }
            await pause(.milliseconds(10))
        }
        logger.warning("Ending with claims that are not begun; their tasks wait for their leases to expire")
        return true
    }

    /// What `escalate()` has set going, in words that say what the next step would do.
    public enum StopStep: Sendable, Equatable {
        case draining(running: Int)
        case releasing(running: Int)
        case killing(running: Int)
    }

    /// The ladder of signals: drain, then release with grace, then kill.
    @discardableResult
    public func escalate() -> StopStep { stepDown(to: nil) }

    /// The second step of the ladder at once, where that is not behind.
    @discardableResult
    public func release() -> StopStep { stepDown(to: .releasing) }

    /// The last one.
    @discardableResult
    public func killScripts() -> StopStep { stepDown(to: .killing) }

    private func stepDown(to wanted: RunnerState.Phase?) -> StopStep {
        let (phase, controls) = state.withLock { $0.escalate(to: wanted) }
        defer { wake.yield() }
        switch phase {
        case .running, .draining:
            return .draining(running: controls.count)
        case .releasing:
            for control in controls { control.stop(.drain) }
            return .releasing(running: controls.count)
        case .killing:
            for control in controls { control.kill(.drain) }
            return .killing(running: controls.count)
        }
    }
}
