import Logging
import Synchronization
import TensorHub

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
    private let availability: Availability

    /// - Parameters:
    ///   - key: As what others hear of it, through the refusals of `availability`.
    ///   - message: What the log says of it.
    init(
        _ logger: Logger,
        _ key: Refusals.Key? = nil,
        in availability: Availability,
        saying message: Logger.Message = "MongoDB does not take what is kept for it; it is sent again"
    ) {
        self.logger = logger
        self.key = key
        self.availability = availability
        self.message = message
    }

    /// In words, while there is one.
    var text: String? { state.withLock { $0.text } }

    /// Told in the log, and again now and then. That nobody answers is `Availability`'s to tell.
    ///
    /// - Parameter what: What cannot be stored.
    func failed(_ error: any Error, what: String? = nil, facts: @autoclosure () -> Logger.Metadata = [:]) {
        if let error = error as? HubError, !availability.failed(error) { return }
        let text = what.map { "\($0) cannot be stored: \(error)" } ?? "\(error)"
        if let key { availability.refusals.met(key, text) }
        let mustTell = state.withLock { state in
            state.text = text
            if let told = state.told, ContinuousClock.now - told < Self.reminder { return false }
            state.told = .now
            return true
        }
        guard mustTell else { return }
        var facts = facts()
        if let what { facts["what"] = "\(what)" }
        facts["error"] = "\(error)"
        logger.error(message, metadata: facts)
    }

    /// MongoDB has taken it.
    func succeeded() {
        availability.succeeded()
        passed()
    }

    func passed() {
        state.withLock { $0 = State() }
        if let key { availability.refusals.passed(key) }
    }
}
