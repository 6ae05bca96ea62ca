public import BSON

/// What somebody asks of a runner.
public struct RunnerControl: Sendable, Hashable {
    public enum Request: String, Sendable, Hashable, CaseIterable {
        /// Claim nothing more, let what runs end, then wait.
        case drain
        /// Claim nothing; a runner that starts anew under the same name keeps to it.
        case pause
        /// Claim again.
        case resume
        /// Drain, then end the process.
        case stop
    }

    public var request: Request
    /// When what still runs is stopped and given back, by the server's clock.
    public var deadline: BSONDateTime?
    /// When it was asked, by the server's clock: tells one request from the next.
    public var time: BSONDateTime
    /// Who asked; `nil` also where the runner did so itself.
    public var by: String?
    /// Why, where the runner asked itself.
    public var reason: String?

    package init(
        _ request: Request,
        deadline: BSONDateTime? = nil,
        time: BSONDateTime,
        by: String? = nil,
        reason: String? = nil
    ) {
        self.request = request
        self.deadline = deadline
        self.time = time
        self.by = by
        self.reason = reason
    }

    init?(_ document: BSONDocument) {
        guard let request = document["state"]?.stringValue.flatMap(Request.init),
            let time = document["time"]?.dateTimeValue
        else { return nil }
        self.init(
            request,
            deadline: document["deadline"]?.dateTimeValue,
            time: time,
            by: document["by"]?.stringValue,
            reason: document["reason"]?.stringValue
        )
    }

    var document: BSONDocument {
        var document: BSONDocument = ["state": .string(request.rawValue), "time": .dateTime(time)]
        if let deadline { document.append("deadline", .dateTime(deadline)) }
        if let by { document.append("by", .string(by)) }
        if let reason { document.append("reason", .string(reason)) }
        return document
    }
}
