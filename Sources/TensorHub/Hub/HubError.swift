import BSON
import MongoDriver

/// What went wrong in a call of `Hub`. The description is one sentence with the facts and the next step.
public struct HubError: Error, Sendable, CustomStringConvertible {
    /// The kind of the fault; more may come.
    public struct Code: Sendable, Hashable {
        let name: String
        /// A value of the caller's cannot be used; nothing was written. `field` names it.
        public static let invalidInput = Code(name: "invalid input")
        /// No task has that identifier, or none matches.
        public static let notFound = Code(name: "not found")
        /// The state of the task forbids it: deleting one that runs.
        public static let wrongState = Code(name: "wrong state")
        /// MongoDB cannot be reached.
        public static let unreachable = Code(name: "unreachable")
        /// MongoDB does not let the user of the connection string do that, or does not let it in. The message is one
        /// sentence that says who may not do what; nothing that the server quotes is in it.
        public static let forbidden = Code(name: "forbidden")
        /// MongoDB answered with an error; `underlying` has its code.
        public static let database = Code(name: "database error")
        /// MongoDB has given a query up that took too long.
        public static let tooSlow = Code(name: "too slow")
        /// Too many calls wait already; the same may succeed later.
        public static let busy = Code(name: "busy")
        /// The time limit of a wait has passed.
        public static let timeout = Code(name: "time-out")
        /// A file in GridFS, or a chunk of it, is not there although a document refers to it.
        public static let blobLost = Code(name: "blob lost")
        /// Content has another SHA-256 than it should have; it was refused.
        public static let hashMismatch = Code(name: "hash mismatch")
        /// The disk is full; what was begun there has been removed.
        public static let noSpace = Code(name: "no space")
    }

    public var code: Code
    /// The field, option or key that is at fault, where there is one.
    public var field: String?
    public var message: String
    /// Names that are near the one that was not found.
    public var suggestions: [String] = []
    public var underlying: (any Error)?

    public init(_ code: Code, field: String? = nil, _ message: String, underlying: (any Error)? = nil) {
        self.code = code
        self.field = field
        self.message = message
        self.underlying = underlying
    }

    init(_ error: MongoError) {
        if Hub.isRepeatedKey(error.serverCode ?? error.writeErrors.first?.code) {
            let message = "a document has a key twice, and MongoDB would end if it were changed"
            self.init(.database, message + "; delete it and write it anew", underlying: error)
            return
        }
        switch (error.code, error.serverCode) {
        case (.unreachable, _): self.init(.unreachable, error.description, underlying: error)
        case (.forbidden, _), (.authentication, _): self.init(.forbidden, error.description, underlying: error)
        case (.busy, _): self.init(.busy, error.message, underlying: error)
        case (_, Self.timeExpired?):
            self.init(
                .tooSlow,
                "MongoDB gave the query up, it took too long; narrow the filter, above all to fields that have an index such "
                    + "as time or hub.task, or ask for less with a limit (\(error.description))",
                underlying: error
            )
        default: self.init(.database, error.description, underlying: error)
        }
    }

    /// MaxTimeMSExpired.
    private static let timeExpired = 50

    /// Whether the same call may succeed later: nobody answers, or a primary is being elected.
    public var isTransient: Bool { code == .unreachable || (underlying as? MongoError)?.isRetryable == true }

    public var description: String { message }

    /// The same of lost or wrong content, with the file that it is.
    package func naming(_ file: StoredFile) -> HubError {
        naming("file '\(file.path)' is damaged in the database")
    }

    /// The same of lost or wrong content, with what it is part of: `data set 'digits' version 2`.
    package func naming(_ what: String) -> HubError {
        guard code == .hashMismatch || code == .blobLost else { return self }
        var error = self
        error.message = "\(what): \(message)"
        return error
    }

    static func invalid(_ field: String, _ message: String) -> HubError {
        HubError(.invalidInput, field: field, message)
    }
}

/// Runs calls of the driver and turns their errors into ours.
func translatingErrors<Value>(_ body: () async throws(MongoError) -> Value) async throws(HubError) -> Value {
    do {
        return try await body()
    } catch {
        throw HubError(error)
    }
}
