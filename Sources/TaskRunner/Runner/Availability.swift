import Logging
import Synchronization
import TensorHub

/// Whether MongoDB answers, as all parts of a runner see it: an outage is told once, and once that it is over.
final class Availability: Sendable {
    private struct State {
        var lastSuccess = ContinuousClock.now
        var isAway = false
        var since = ContinuousClock.now
    }

    private let state = Mutex(State())
    private let logger: Logger
    /// What it does not take although it answers.
    let refusals: Refusals

    init(_ logger: Logger, refusals: Refusals = Refusals()) {
        self.logger = logger
        self.refusals = refusals
    }

    /// How long it has been away; `nil` while it answers.
    var awayFor: Duration? {
        state.withLock { $0.isAway ? ContinuousClock.now - $0.lastSuccess : nil }
    }

    /// For how long it has answered without a break; zero while it is away.
    var answersFor: Duration {
        state.withLock { $0.isAway ? .zero : ContinuousClock.now - $0.since }
    }

    func succeeded() {
        let away: Duration? = state.withLock { state in
            defer {
                if state.isAway { state.since = .now }
                state.lastSuccess = .now
                state.isAway = false
            }
            return state.isAway ? ContinuousClock.now - state.lastSuccess : nil
        }
        if let away { logger.notice("MongoDB is back", metadata: ["away": "\(Self.rounded(away))"]) }
    }

    /// Other errors than that nobody answers are for the caller to tell.
    ///
    /// - Returns: Whether it was one of these others.
    @discardableResult
    func failed(_ error: HubError) -> Bool {
        guard error.isTransient else { return true }
        let since: Duration? = state.withLock { state in
            if state.isAway { return nil }
            state.isAway = true
            return ContinuousClock.now - state.lastSuccess
        }
        if let since {
            logger.warning(
                "MongoDB does not answer; scripts run on, output and results wait on this machine, nothing is claimed",
                metadata: ["error": "\(error)", "last.success": "\(Self.rounded(since)) ago"]
            )
        }
        return false
    }

    static func rounded(_ duration: Duration) -> String { "\(Int(duration / .seconds(1))) s" }
}
