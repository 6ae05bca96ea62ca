import Logging
import Synchronization

/// What keeps something of an attempt from being stored, and may pass: a right that is missing, a quota, a full disk. An outage
/// of MongoDB is none: `Contact` tells of that. Nothing is dropped, so as long as it lasts the attempt stays open.
final class Obstacle: Sendable {
    private struct State {
        var text: String?
        var told: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    let logger: Logger

    /// Between two times that the log tells of one that lasts.
    static let reminder: Duration = .seconds(600)

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// In words, while there is one.
    var text: String? { state.withLock { $0.text } }

    /// Told in the log, and again now and then.
    func met(_ error: any Error, what: String) {
        let mustTell = state.withLock { state in
            state.text = "\(what) cannot be stored: \(error)"
            if let told = state.told, ContinuousClock.now - told < Self.reminder { return false }
            state.told = .now
            return true
        }
        if mustTell {
            logger.error(
                "MongoDB does not take what is kept for it; it is sent again",
                metadata: [
                    "what": "\(what)", "error": "\(error)",
                ]
            )
        }
    }

    func passed() {
        state.withLock { $0 = State() }
    }
}
