import BSON
import NIOPosix
import Synchronization
import TensorHub

/// One attempt of one task.
struct AttemptKey: Hashable, Sendable {
    var taskID: ObjectID
    var attempt: Int
}

/// Why a runner ends an attempt before the script does.
enum StopReason: String, Sendable {
    case cancelled
    case drain
    case leaseLost = "lease-lost"
    /// MongoDB was away for longer than this runner waits.
    case outage
}

/// Lets others stop an attempt, whether or not its process exists yet. The first reason stays.
final class AttemptControl: Sendable {
    private struct State {
        var reason: StopReason?
        var mustDie = false
        var isEnded = false
        var target: (directory: AttemptDirectory, process: SupervisorProcess)?
    }

    private let state = Mutex(State())
    /// Where the reason is written: the disk may be slow.
    private let pool: NIOThreadPool

    init(_ pool: NIOThreadPool) {
        self.pool = pool
    }

    /// Whether it has a process, or has had one.
    var isStarted: Bool { state.withLock { $0.target != nil || $0.isEnded } }

    var reason: StopReason? { state.withLock { $0.reason } }

    /// SIGTERM, the grace period, SIGKILL. Does nothing once the attempt has ended.
    func stop(_ reason: StopReason) {
        state.withLock { state in
            guard state.reason == nil, !state.isEnded else { return }
            state.reason = reason
            if let target = state.target { stop(target, reason) }
        }
    }

    /// No grace.
    func kill(_ reason: StopReason) {
        state.withLock { state in
            guard !state.isEnded else { return }
            if state.reason == nil { state.reason = reason }
            state.mustDie = true
            if let target = state.target { target.process.requestKill() }
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

    func markEnded() {
        state.withLock {
            $0.isEnded = true
            $0.target = nil
        }
    }

    private func stop(_ target: (directory: AttemptDirectory, process: SupervisorProcess), _ reason: StopReason) {
        pool.submit { _ in
            // For the script's and a later reader's information: failing to write it must not keep the script running.
            try? target.directory.writeStopReason(reason.rawValue)
            target.process.requestStop()
        }
    }
}
