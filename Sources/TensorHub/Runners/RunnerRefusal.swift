public import BSON

/// What MongoDB lastingly refuses of a runner's, as the runner tells it with its signs of life: a right that is
/// missing, a quota. An outage is none.
public struct RunnerRefusal: Sendable, Hashable {
    /// What it keeps from happening. A later version may write another word, so this is not an enum.
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public var rawValue: String

        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The runner takes no tasks.
        public static let claims = Kind(rawValue: "claims")
        /// What runs goes on, but its leases expire, and others may take it.
        public static let leases = Kind(rawValue: "leases")
        /// Attempts that have ended stay open.
        public static let reports = Kind(rawValue: "reports")
        /// Something of one attempt is not stored, so that attempt stays open.
        public static let attempt = Kind(rawValue: "attempt")
    }

    public var kind: Kind
    /// The attempt's, for that kind.
    public var task: ObjectID?
    /// In one sentence.
    public var text: String
    /// When it was first met, by the server's clock as the runner knows it.
    public var since: BSONDateTime?

    package init(_ kind: Kind, task: ObjectID? = nil, text: String, since: BSONDateTime?) {
        self.kind = kind
        self.task = task
        self.text = text
        self.since = since
    }

    init?(_ document: BSONDocument) {
        guard let kind = document["what"]?.stringValue, let text = document["text"]?.stringValue else { return nil }
        self.init(
            Kind(rawValue: kind),
            task: document["task"]?.objectIDValue,
            text: text,
            since: document["since"]?.dateTimeValue
        )
    }

    var document: BSONDocument {
        var document: BSONDocument = ["what": .string(kind.rawValue)]
        if let task { document.append("task", .objectID(task)) }
        document.append("text", .string(text))
        if let since { document.append("since", .dateTime(since)) }
        return document
    }
}
