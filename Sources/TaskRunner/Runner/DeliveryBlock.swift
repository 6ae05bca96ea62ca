import Logging
import Synchronization

/// What keeps something of an attempt from being stored, and may pass: a right that is missing, a quota, a full disk.
/// An outage of MongoDB is none: `Availability` tells of that. Nothing is dropped, so as long as it lasts the attempt
/// stays open. The same keeps a runner from claiming, from reporting and from giving signs of life.
final class DeliveryBlock: Sendable {
    private struct State {
        var text: String?
        var told: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    let logger: Logger

    /// Between two times that the log tells of one that lasts.
    static let reminder: Duration = .seconds(600)

    private let message: Logger.Message
    private let key: Refusals.Key?
    private let refusals: Refusals?

    /// - Parameters:
    ///   - key: As what others hear of it, through `refusals`.
    ///   - message: What the log says of it.
    init(
        _ logger: Logger,
        _ key: Refusals.Key? = nil,
        in refusals: Refusals? = nil,
        saying message: Logger.Message = "MongoDB does not take what is kept for it; it is sent again"
    ) {
        self.logger = logger
        self.key = key
        self.refusals = refusals
        self.message = message
    }

    /// In words, while there is one.
    var text: String? { state.withLock { $0.text } }

    /// Told in the log, and again now and then.
    func met(_ error: any Error, what: String) {
        met(error, text: "\(what) cannot be stored: \(error)", facts: ["what": "\(what)"])
    }

    /// The same in other words.
    ///
    /// - Parameter text: The error itself unless given.
    func met(_ error: any Error, text: String? = nil, facts: Logger.Metadata = [:]) {
        let text = text ?? "\(error)"
        if let key { refusals?.met(key, text) }
        let mustTell = state.withLock { state in
            state.text = text
            if let told = state.told, ContinuousClock.now - told < Self.reminder { return false }
            state.told = .now
            return true
        }
        if mustTell {
            logger.error(message, metadata: facts.merging(["error": "\(error)"]) { first, _ in first })
        }
    }

    func passed() {
        state.withLock { $0 = State() }
        if let key { refusals?.passed(key) }
    }
}
