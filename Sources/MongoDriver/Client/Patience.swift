/// How long calls go on through an election, or while a server that has answered before is away.
///
/// A call with patience is repeated while what it failed of may pass and sending it again is safe (``Repetition``). It
/// is at once given up where nothing has ever answered at that address: an election has members that answer, a wrong
/// address has none. A statement that renews a lease has no patience: whoever must be prompt has a loop of its own.
public struct Patience: Sendable {
    /// Counted from the first failure of a call.
    public var limit: Duration
    /// Told once for each call that is in trouble for more than a moment; it goes on meanwhile.
    public var onTrouble: (@Sendable (MongoError) -> Void)?

    /// A replica set elects a primary within 12 s as MongoDB is set up; twice that, and some.
    public static let defaultLimit: Duration = .seconds(30)

    public init(_ limit: Duration = Patience.defaultLimit, onTrouble: (@Sendable (MongoError) -> Void)? = nil) {
        self.limit = limit
        self.onTrouble = onTrouble
    }
}

/// When a statement may be sent again.
package enum Repetition: Sendable {
    /// Sent twice it does no more than sent once: a read, a deletion, an update that is guarded by what it changes.
    case always
    /// Only where it is certain that the first one did nothing: nobody took it.
    case ifNotDone
}

/// The trouble that one call is in: decides whether it is gone on with, and after which pause.
package struct Trouble {
    /// What counts beside the error.
    package struct Facts {
        var repetition: Repetition
        /// Whether any server of this client's ever answered.
        var hasAnswered: Bool
        /// Whether it was the call's own length that ended it, while the servers stayed what they are.
        var isTimeout: Bool

        package init(repetition: Repetition, hasAnswered: Bool = true, isTimeout: Bool = false) {
            self.repetition = repetition
            self.hasAnswered = hasAnswered
            self.isTimeout = isTimeout
        }
    }

    package enum Verdict: Equatable {
        case giveUp
        /// - tells: Whether it has lasted so long that somebody should hear of it.
        case goOn(after: Duration, tells: Bool)
    }

    static let pauses = (first: Duration.milliseconds(50), longest: Duration.seconds(1))
    /// What passes sooner is told to nobody.
    static let quiet: Duration = .seconds(1)

    let limit: Duration
    private(set) var began: ContinuousClock.Instant?
    private var pause = Trouble.pauses.first
    private var isTold = false

    package init(limit: Duration) { self.limit = limit }

    package mutating func judge(_ error: MongoError, _ facts: Facts, at now: ContinuousClock.Instant) -> Verdict {
        let start = began ?? now
        began = start
        guard error.isPassing, facts.hasAnswered, !facts.isTimeout else { return .giveUp }
        if error.isOutcomeUnknown, facts.repetition == .ifNotDone { return .giveUp }
        guard now + pause < start + limit else { return .giveUp }
        defer { pause = min(pause * 2, Self.pauses.longest) }
        // A call that found no server has waited for one already.
        let tells = !isTold && (start.duration(to: now) >= Self.quiet || error.code == .unreachable)
        if tells { isTold = true }
        return .goOn(after: pause, tells: tells)
    }
}

extension MongoError {
    /// Whether an election, or the return of a server, ends it.
    var isPassing: Bool {
        // UnsatisfiableWriteConcern, UnknownReplWriteConcern: that many members there are never.
        if code == .writeConcern, let serverCode, [100, 79].contains(serverCode) { return false }
        return isRetryable
    }
}
