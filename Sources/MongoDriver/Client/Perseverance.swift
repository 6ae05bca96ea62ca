/// Repeats one call for as long as its patience says. The decisions are `Trouble`'s.
///
/// ```
/// var perseverance = Perseverance(core, patience)
/// while true {
///     perseverance.begin()
///     do throws(MongoError) { return try await send() } catch { try await perseverance.goOn(after: error, .always) }
/// }
/// ```
struct Perseverance {
    private let core: ClientCore
    private let patience: Patience?
    private var trouble: Trouble
    private var start = ContinuousClock.now
    private var changes = 0
    /// Whether a call whose outcome is unknown is being sent again.
    private(set) var isUnsure = false

    init(_ core: ClientCore, _ patience: Patience?) {
        self.core = core
        self.patience = patience
        trouble = Trouble(limit: patience?.limit ?? .zero)
    }

    /// Before every try.
    mutating func begin() {
        if patience == nil { return }
        start = .now
        changes = core.servers.changes
    }

    /// Waits before another try.
    ///
    /// - Throws: The error, where there is to be none: it does not pass, it would not be safe, time is up, the task was
    ///   cancelled.
    mutating func goOn(after error: MongoError, _ repetition: Repetition) async throws(MongoError) {
        guard let patience else { throw error }
        let now = ContinuousClock.now
        let isLong = core.socketTimeout > .zero && start.duration(to: now) >= core.socketTimeout
        let facts = Trouble.Facts(
            repetition: repetition,
            hasAnswered: core.servers.hasAnswered,
            isTimeout: error.code == .network && isLong && core.servers.changes == changes
        )
        let isFirst = trouble.began == nil
        switch trouble.judge(error, facts, at: now) {
        case .giveUp:
            if isFirst { throw error }
            var error = error
            error.message += "; it did not pass within \(patience.limit)"
            throw error
        case .goOn(let pause, let tells):
            if tells { patience.onTrouble?(error) }
            if error.isOutcomeUnknown { isUnsure = true }
            do { try await Task.sleep(for: pause) } catch { throw MongoError.cancelledInTrouble }
        }
    }
}

extension MongoError {
    fileprivate static var cancelledInTrouble: MongoError {
        MongoError(.cancelled, "the task was cancelled while it waited for MongoDB")
    }
}

extension ClientCore {
    /// Like `perform`, through elections where there is patience.
    func perform<Value: Sendable>(
        _ action: Action,
        _ patience: Patience?,
        _ repetition: Repetition,
        _ body: @escaping @Sendable (LentClient) throws(MongoError) -> Value
    ) async throws(MongoError) -> Value {
        try await performCounting(action, patience, repetition, body).value
    }

    /// - Returns: Also whether it was sent again although the first one may have been done.
    func performCounting<Value: Sendable>(
        _ action: Action,
        _ patience: Patience?,
        _ repetition: Repetition,
        _ body: @escaping @Sendable (LentClient) throws(MongoError) -> Value
    ) async throws(MongoError) -> (value: Value, isUnsure: Bool) {
        if patience == nil { return (try await perform(action, body), false) }
        var perseverance = Perseverance(self, patience)
        while true {
            perseverance.begin()
            do throws(MongoError) {
                return (try await perform(action, body), perseverance.isUnsure)
            } catch {
                try await perseverance.goOn(after: error, repetition)
            }
        }
    }
}
