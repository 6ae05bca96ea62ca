import BSON
import NIOPosix
import Synchronization
import TensorHub
import Threads

/// Lets others stop an attempt, whether or not its process exists yet. The first reason stays.
final class AttemptControl: Sendable {
    private struct State {
        var reason: StopReason?
        var mustDie = false
        var isEnded = false
        var isLeaseLost = false
        /// When it was first asked to stop.
        var stopped: ContinuousClock.Instant?
        /// What the script has failed by, as the second watch over its supervisor found.
        var verdict: AttemptOutcome.Kind?
        var target: (directory: AttemptDirectory, process: SupervisorProcess)?
    }

    private let state = Mutex(State())
    /// It is asked to stop or has ended.
    private let stopOrEnd = Signal<Void>()
    /// Whether an earlier runner has begun it.
    private let isTakenOver: Bool
    /// Where the reason is written: the disk may be slow.
    private let pool: NIOThreadPool

    init(_ pool: NIOThreadPool, isTakenOver: Bool = false) {
        self.pool = pool
        self.isTakenOver = isTakenOver
    }

    /// Whether it has a process, or has had one, or its directory tells.
    var isStarted: Bool { isTakenOver || state.withLock { $0.target != nil || $0.isEnded } }

    /// Whether the attempt is no longer this runner's, as far as it has heard.
    var isLeaseLost: Bool { state.withLock { $0.isLeaseLost } }

    /// Whether its script has ended.
    var isOver: Bool { state.withLock { $0.isEnded } }

    var reason: StopReason? { state.withLock { $0.reason } }

    /// When it was asked to stop, and whether it is to be killed without grace; `nil` while it may run on.
    var stopped: (reason: StopReason, since: ContinuousClock.Instant, mustDie: Bool)? {
        state.withLock { state in
            state.reason.flatMap { reason in state.stopped.map { (reason, $0, state.mustDie) } }
        }
    }

    /// The supervisor, from the start of the script to its end.
    var process: SupervisorProcess? { state.withLock { $0.target?.process } }

    /// What the script has failed by where its supervisor had to be killed and cannot say it.
    var verdict: AttemptOutcome.Kind? { state.withLock { $0.verdict } }

    /// SIGTERM, the grace period, SIGKILL. Does nothing once the attempt has ended.
    func stop(_ reason: StopReason) {
        state.withLock { state in
            // Also once the script has ended: what it wrote is not to be sent then.
            if reason == .leaseLost { state.isLeaseLost = true }
            guard state.reason == nil, !state.isEnded else { return }
            state.reason = reason
            state.stopped = .now
            if let target = state.target { stop(target, reason) }
            stopOrEnd.set()
        }
    }

    /// No grace.
    func kill(_ reason: StopReason) {
        state.withLock { state in
            guard !state.isEnded else { return }
            if state.reason == nil {
                state.reason = reason
                state.stopped = .now
            }
            state.mustDie = true
            if let target = state.target { target.process.requestKill() }
            stopOrEnd.set()
        }
    }

    /// The process exists now; a stop that came before reaches it here.
    func attach(_ directory: AttemptDirectory, _ process: SupervisorProcess) {
        state.withLock { state in
            state.target = (directory, process)
            if let reason = state.reason { stop((directory, process), reason) }
            if state.mustDie { process.requestKill() }
        }
    }

    /// Kills the supervisor, which does not do its part, and all below it.
    ///
    /// - Parameter verdict: What the script has failed by; `nil` where it was asked to end.
    func endSupervisor(_ verdict: AttemptOutcome.Kind?) {
        state.withLock { state in
            guard let target = state.target else { return }
            state.verdict = verdict
            end(target, reason: verdict?.rawValue) { target.process.killTree() }
        }
    }

    func markEnded() {
        state.withLock { state in
            state.isEnded = true
            state.target = nil
        }
        stopOrEnd.set()
    }

    /// Returns when it is asked to stop or has ended, or else after that time.
    func waitForStop(upTo limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: limit) }
            group.addTask { await self.waitForStop() }
            await group.next()
            group.cancelAll()
        }
    }

    /// Returns when it is asked to stop, or has ended, or the wait is cancelled.
    func waitForStop() async { await stopOrEnd.waitUnlessCancelled() }

    /// How long the script's stop waits for its reason to be written.
    private static let reasonLimit: Duration = .milliseconds(250)

    private func stop(_ target: (directory: AttemptDirectory, process: SupervisorProcess), _ reason: StopReason) {
        end(target, reason: reason.rawValue) { target.process.requestStop() }
    }

    private func end(
        _ target: (directory: AttemptDirectory, process: SupervisorProcess),
        reason: String?,
        _ end: @escaping @Sendable () -> Void
    ) {
        let single = SingleAction(end)
        pool.submit { _ in
            // For the script's and a later reader's information: failing to write it must not keep the script running.
            if let reason { try? target.directory.writeStopReason(reason) }
            single.take()
        }
        // Nor must a disk that hangs, or threads that are busy with something else. What is done touches no disk.
        Task {
            try? await Task.sleep(for: Self.reasonLimit)
            single.take()
        }
    }
}

/// Does something once, whoever comes first.
private final class SingleAction: Sendable {
    private let action: @Sendable () -> Void
    private let isTaken = Atomic(false)

    init(_ action: @escaping @Sendable () -> Void) {
        self.action = action
    }

    func take() {
        if !isTaken.exchange(true, ordering: .relaxed) { action() }
    }
}
