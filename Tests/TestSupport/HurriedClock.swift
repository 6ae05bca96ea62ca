import Synchronization

/// A clock whose time passes by being slept away: a millisecond is enough for any pause, and it knows of each how long
/// it was to be.
public final class HurriedClock: Clock {
    public struct Instant: InstantProtocol {
        var sinceStart: Duration = .zero

        public func advanced(by duration: Duration) -> Instant { Instant(sinceStart: sinceStart + duration) }
        public func duration(to other: Instant) -> Duration { other.sinceStart - sinceStart }
        public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.sinceStart < rhs.sinceStart }
    }

    private let state = Mutex<(now: Instant, pauses: [Duration])>((Instant(), []))

    public init() {}

    public var now: Instant { state.withLock(\.now) }
    public var minimumResolution: Duration { .nanoseconds(1) }
    /// What was slept away so far.
    public var pauses: [Duration] { state.withLock(\.pauses) }

    public func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        state.withLock { state in
            state.pauses.append(state.now.duration(to: deadline))
            state.now = max(state.now, deadline)
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}
