import Synchronization

/// Numbers that this process has reserved and not given to tasks yet.
///
/// Who creates one task after another reserves ever larger blocks, so that most tasks cost no further statement. What
/// is left of a block after a while is never given to anybody: gaps do not matter, an order that is far from that of
/// time would.
final class TaskNumbers: Sendable {
    /// How many are reserved at once for tasks to come.
    static let largestBlock = 64
    /// How long a block serves.
    static let lifetime: Duration = .seconds(5)
    /// How long nothing is asked of a database that lets nobody count.
    static let pause: Duration = .seconds(60)

    private struct State {
        var rest: Range<Int> = 0..<0
        var size = 0
        var reserved: ContinuousClock.Instant?
        var refused: ContinuousClock.Instant?

        func isFresh(_ now: ContinuousClock.Instant) -> Bool {
            reserved.map { now - $0 < TaskNumbers.lifetime } ?? false
        }
    }

    private let state = Mutex(State())

    /// The first of so many numbers in a row, where so many are left.
    func take(_ count: Int, at now: ContinuousClock.Instant) -> Int? {
        state.withLock { state in
            guard state.isFresh(now), state.rest.count >= count else { return nil }
            let first = state.rest.lowerBound
            state.rest = (first + count)..<state.rest.upperBound
            return first
        }
    }

    /// How many to reserve for somebody who needs so many now.
    func block(for count: Int, at now: ContinuousClock.Instant) -> Int {
        if count > 1 { return count }
        return state.withLock { $0.isFresh(now) ? max(1, min(Self.largestBlock, $0.size * 2)) : 1 }
    }

    /// Keeps what is left of a block. Of two that were reserved at once the later one stays: numbers only ascend.
    func keep(_ block: Range<Int>, using count: Int, at now: ContinuousClock.Instant) {
        state.withLock { state in
            guard block.lowerBound >= state.rest.upperBound || !state.isFresh(now) else { return }
            state.rest = (block.lowerBound + count)..<block.upperBound
            state.size = count > 1 ? 1 : block.count
            state.reserved = now
        }
    }

    /// What was reserved is not to be used: other tasks have these numbers.
    func drop() {
        state.withLock { $0.reserved = nil }
    }

    func isRefused(at now: ContinuousClock.Instant) -> Bool {
        state.withLock { $0.refused.map { now - $0 < Self.pause } ?? false }
    }

    /// - Returns: Whether that is new.
    func refuse(at now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            defer { state.refused = now }
            return state.refused == nil
        }
    }
}
