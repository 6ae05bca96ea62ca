import Synchronization

/// When each of a runner's loops last came round: what a watchdog is fed by. A loop that comes round while MongoDB is
/// away makes progress too; one that hangs does not.
public final class LoopWatch: Sendable {
    /// The loops that must never stand still.
    public enum Loop: String, Sendable, CaseIterable {
        case claims
        case leases
        case queue
    }

    private let state: Mutex<[Loop: ContinuousClock.Instant]>

    init() {
        state = Mutex([:])
    }

    func cameRound(_ loop: Loop) {
        state.withLock { $0[loop] = .now }
    }

    /// A loop that has begun and not come round for so long; `nil` where all is well.
    public func stuck(for limit: Duration) -> Loop? {
        let oldest = ContinuousClock.now - limit
        return state.withLock { $0.filter { $0.value < oldest }.keys.min { $0.rawValue < $1.rawValue } }
    }

    /// For a loop that has ended in order.
    func ended(_ loop: Loop) {
        state.withLock { $0[loop] = nil }
    }
}
