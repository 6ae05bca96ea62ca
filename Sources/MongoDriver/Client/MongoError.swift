public import BSON

/// Why a call to MongoDB did not do what was asked, or why nobody knows whether it did.
public struct MongoError: Error, Sendable, CustomStringConvertible {
    /// The kind of the failure; more may come.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let description: String

        /// The connection string is malformed, or asks for what this driver does not have.
        public static let invalidURI = Code(description: "invalid URI")
        /// No suitable server was found in time: nothing was sent.
        public static let unreachable = Code(description: "unreachable")
        /// The connection broke while a call was under way: its outcome is unknown.
        public static let network = Code(description: "network")
        /// The server refused the user, the password or the certificate.
        public static let authentication = Code(description: "authentication")
        /// The user has no right to that, or not the room: the message says who may not do what, and nothing of the
        /// server's.
        public static let forbidden = Code(description: "forbidden")
        /// The write was made, but not acknowledged as asked for: it may be rolled back, so its outcome is unknown.
        public static let writeConcern = Code(description: "write concern")
        /// A unique index already holds that key; of several refused statements, the keys of all of them.
        public static let duplicateKey = Code(description: "duplicate key")
        /// The server refused a write statement; see ``MongoError/writeErrors``.
        public static let write = Code(description: "write")
        /// The server refused the command; see ``MongoError/serverCode``.
        public static let server = Code(description: "server")
        /// Change streams need a replica set, and this server is a standalone.
        public static let notReplicaSet = Code(description: "not a replica set")
        /// The client was closed.
        public static let closed = Code(description: "closed")
        /// There are too many calls or open cursors already: the same may succeed later. Nothing was sent.
        public static let busy = Code(description: "busy")
        /// The call itself is wrong: a document that is too large, a name that cannot be.
        public static let invalidInput = Code(description: "invalid input")
        /// A document that came from the server is not well-formed BSON.
        public static let invalidDocument = Code(description: "invalid document")
        /// A chunk of a GridFS file is missing, or is not as long as the file's document says.
        public static let corruptFile = Code(description: "corrupt file")
        /// The calling task was cancelled, and so a sequence of results was cut short.
        public static let cancelled = Code(description: "cancelled")
    }

    /// One statement of a write that the server refused.
    public struct WriteError: Sendable, Hashable {
        /// The position of the statement in the call, from 0.
        public var index: Int
        public var code: Int
        public var message: String

        public init(index: Int, code: Int, message: String) {
            self.index = index
            self.code = code
            self.message = message
        }
    }

    public var code: Code
    /// What happened, in words for a person.
    public var message: String
    /// The server's own error code, where it gave one.
    public var serverCode: Int?
    /// The server's name for ``serverCode``, as `NamespaceNotFound`.
    public var codeName: String?
    /// What the server or libmongoc says about repeating the call, as `RetryableWriteError`.
    public var labels: [String]
    /// The statements that were refused, in order; the others of an unordered call were done.
    public var writeErrors: [WriteError]
    /// Of many updates, those of which nobody knows whether they were done, and those that were not sent any more; what
    /// was before them was answered. `nil` where that makes no sense.
    public var unanswered: Range<Int>?
    /// What was answered, counts of a partly done bulk write included; empty when nothing came back.
    public var reply: BSONDocument

    public init(
        _ code: Code,
        _ message: String,
        serverCode: Int? = nil,
        codeName: String? = nil,
        labels: [String] = [],
        writeErrors: [WriteError] = [],
        reply: BSONDocument = BSONDocument()
    ) {
        self.code = code
        self.message = message
        self.serverCode = serverCode
        self.codeName = codeName
        self.labels = labels
        self.writeErrors = writeErrors
        self.reply = reply
    }

    public var description: String {
        // One sentence, the same wherever it is read.
        if code == .forbidden || code == .authentication { return message }
        var facts: [String] = []
        if let serverCode { facts.append(codeName.map { "\($0), \(serverCode)" } ?? "code \(serverCode)") }
        if writeErrors.count > 1 { facts.append("\(writeErrors.count) statements refused") }
        return "MongoDB (\(code)): \(message)" + (facts.isEmpty ? "" : " (\(facts.joined(separator: "; ")))")
    }
}

extension MongoError {
    /// Whether the same call, repeated later, may succeed. It says nothing about whether repeating is safe: see
    /// ``isOutcomeUnknown``.
    public var isRetryable: Bool {
        if code == .unreachable || code == .network || code == .writeConcern { return true }
        if labels.contains("RetryableWriteError") || labels.contains("TransientTransactionError") { return true }
        return serverCode.map(Self.retryableServerCodes.contains) ?? false
    }

    /// Whether the write may have happened all the same: read back before it is repeated.
    public var isOutcomeUnknown: Bool {
        if code == .network || code == .writeConcern { return true }
        return serverCode.map(Self.interruptedServerCodes.contains) ?? false
    }

    /// Host unreachable, not found or timed out, shutting down, stepping down, not primary, election under way, read
    /// concern not available yet: the list of the retryable reads and writes specifications.
    private static let retryableServerCodes: Set<Int> = [
        6, 7, 89, 91, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436,
    ]

    /// The server stopped while it was at work on the statement.
    private static let interruptedServerCodes: Set<Int> = [91, 189, 11600, 11602]
}
