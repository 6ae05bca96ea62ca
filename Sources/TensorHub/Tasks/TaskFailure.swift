import BSON

/// Why a task failed.
public struct TaskFailure: Sendable, Hashable {
    /// One word for programs: `exit-status`, `script-error`, `machine-lacks`, `signal`, `out-of-memory`, `timeout`,
    /// `stall`, `missing-result`, `bad-result`, `cannot-start`, `cannot-run`, `journal-lost`, `supervisor-lost`,
    /// `supervisor-stopped`, `host-restarted`, `runner-lost`, `queue-deadline`.
    public var kind: String
    /// A sentence for people.
    public var message: String
    /// The last lines of the output, at most 8 KiB.
    public var tail: String?

    package init(kind: String, message: String, tail: String? = nil) {
        self.kind = kind
        self.message = message
        self.tail = tail
    }

    init(_ document: BSONDocument) {
        kind = document["kind"]?.stringValue ?? "unknown"
        message = document["message"]?.stringValue ?? ""
        tail = document["tail"]?.stringValue
    }

    var document: BSONDocument {
        var document: BSONDocument = ["kind": .string(kind), "message": .string(message)]
        if let tail { document.append("tail", .string(tail)) }
        return document
    }
}
