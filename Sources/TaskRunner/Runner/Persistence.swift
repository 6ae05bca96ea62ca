import Logging
import TensorHub

/// The one way to do again what may fail and may pass: until it is accepted, refused, given up, or the task that waits
/// is cancelled.
package struct Persistence: Sendable {
    private let clock: any Clock<Duration>
    /// Asked after each failure: whether not to wait any longer.
    let mustGiveUp: @Sendable () -> Bool

    package init(
        clock: any Clock<Duration> = ContinuousClock(),
        mustGiveUp: @escaping @Sendable () -> Bool = { false }
    ) {
        self.clock = clock
        self.mustGiveUp = mustGiveUp
    }

    /// - Parameters:
    ///   - isOver: Asked before each try: whether nobody wants it any more.
    ///   - failed: Tells of a failure, and of how many there were. What it throws ends the tries: a refusal.
    /// - Returns: `nil` where it was given up.
    package func untilAccepted<Value, Failure: Error, Refusal: Error>(
        _ backoff: Backoff = .steady,
        isOver: () -> Bool = { false },
        _ attempt: () async throws(Failure) -> Value,
        failed: (Failure, _ failures: Int) async throws(Refusal) -> Void
    ) async throws(Refusal) -> Value? {
        var backoff = backoff
        var failures = 0
        while !isOver() {
            do throws(Failure) {
                return try await attempt()
            } catch {
                failures += 1
                try await failed(error, failures)
                if mustGiveUp() || Task.isCancelled { return nil }
                await pause(backoff.next(after: error))
            }
        }
        return nil
    }

    /// The same for a statement of which MongoDB is to take each in the end: `block` tells why it does not.
    func untilAccepted<Value>(
        _ block: DeliveryBlock,
        isOver: () -> Bool = { false },
        facts: @autoclosure () -> Logger.Metadata = [:],
        _ statement: () async throws(HubError) -> Value,
        failed: (HubError) -> Void = { _ in }
    ) async -> Value? {
        await untilAccepted(isOver: isOver) { () async throws(HubError) in
            let value = try await statement()
            block.succeeded()
            return value
        } failed: { error, _ in
            failed(error)
            block.failed(error, facts: facts())
        }
    }

    /// Sleeps, or returns at once when cancelled.
    func pause(_ duration: Duration) async { try? await clock.sleep(for: duration) }

    /// Sleeps in steps, for as long as somebody wants that.
    func pause(_ duration: Duration, while isWanted: () -> Bool) async {
        var left = duration
        while left > .zero, isWanted(), !Task.isCancelled {
            await pause(min(left, Backoff.firstPause))
            left -= Backoff.firstPause
        }
    }

    /// Sleeps also where everything else is cancelled, but not for long once it is to be given up.
    func pauseUncancelled(_ duration: Duration) async {
        await Task {
            // Whoever gives up does not spin.
            await pause(min(duration, Backoff.firstPause))
            await pause(duration - Backoff.firstPause) { !mustGiveUp() }
        }.value
    }
}
