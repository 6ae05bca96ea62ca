import BSON
import HTTPTypes
import MongoDriver
import TensorHub

/// An answer that says what was wrong: a status for HTTP, a code for programs, a sentence for people.
struct APIError: Error {
    var status: HTTPResponse.Status
    var code: String
    var message: String
    var field: String?
    var suggestions: [String] = []
    var headers: HTTPFields = [:]
    /// Whether the rest of the request is not worth reading.
    var closesConnection = false

    init(_ status: HTTPResponse.Status, _ code: String, field: String? = nil, _ message: String) {
        self.status = status
        self.code = code
        self.field = field
        self.message = message
    }

    var document: BSONDocument {
        var error: BSONDocument = ["code": .string(code), "message": .string(message)]
        if let field { error.append("field", .string(field)) }
        if !suggestions.isEmpty { error.append("suggestions", .array(suggestions.map(BSONValue.string))) }
        return ["error": .document(error)]
    }
}

extension APIError {
    static func invalid(_ field: String, _ message: String) -> APIError {
        APIError(.badRequest, "invalid-input", field: field, message)
    }

    static func badName(_ message: String) -> APIError {
        APIError(.badRequest, "bad-name", field: "name", message)
    }

    static func badJSON(_ message: String) -> APIError {
        APIError(.badRequest, "bad-json", "the body is not the JSON that is needed: \(message)")
    }

    static func notFound(_ message: String) -> APIError { APIError(.notFound, "not-found", message) }

    static func tooLarge(_ message: String) -> APIError { APIError(.contentTooLarge, "too-large", message) }

    static func noSpace(_ message: String) -> APIError {
        APIError(HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"), "no-space", message)
    }

    static func busy(_ message: String) -> APIError {
        var error = APIError(.serviceUnavailable, "busy", message)
        error.headers[.retryAfter] = "1"
        return error
    }

    static func unauthorized(_ message: String) -> APIError {
        var error = APIError(.unauthorized, "unauthorized", message)
        error.headers[.wwwAuthenticate] = "Bearer"
        return error
    }

    /// For what is asked by what a script has left behind.
    static let ended = APIError(
        .serviceUnavailable,
        "ended",
        "the script of this attempt has ended; nothing is answered"
    )

    static let notInAttempt = APIError(
        .conflict,
        "not-in-attempt",
        "there is no task here: this call belongs to the script of an attempt, on the socket that TENSORHUB_SOCKET names"
    )

    static let readOnly = APIError(
        .forbidden,
        "read-only",
        "a script changes nothing but what its own attempt writes; use `tensorhub serve` or the command line"
    )

    /// Every error of the library in terms of HTTP. Ours are found here; what is not expected is `database`, 500.
    init(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as HubError: self.init(hub: error)
        case let error as MongoError where error.code == .forbidden || error.code == .authentication:
            self.init(.forbidden, "forbidden", error.message)
        default: self.init(.internalServerError, "database", "\(error)")
        }
    }

    private init(hub error: HubError) {
        switch error.code {
        case .invalidInput: self.init(.badRequest, Self.code(ofField: error.field), error.message)
        case .notFound: self.init(.notFound, "not-found", error.message)
        case .wrongState: self.init(.conflict, "wrong-state", error.message)
        case .forbidden: self.init(.forbidden, "forbidden", error.message)
        case .tooSlow: self.init(.badRequest, "too-slow", field: "filter", error.message)
        case .busy: self = .busy(error.message)
        case .unreachable, .timeout: self.init(.serviceUnavailable, "unreachable", error.message)
        case .blobLost: self.init(.notFound, "blob-lost", error.message)
        case .hashMismatch: self.init(.conflict, "hash-mismatch", error.message)
        case .noSpace: self = .noSpace(error.message)
        default:
            if error.isTransient {
                self.init(.serviceUnavailable, "unreachable", error.message)
            } else {
                self.init(.internalServerError, "database", error.message)
            }
        }
        field = error.field ?? field
        suggestions = error.suggestions
    }

    /// The code of an input that cannot be used follows from its field.
    private static func code(ofField field: String?) -> String {
        guard let field else { return "invalid-input" }
        if field == "name" { return "bad-name" }
        if field == "shard" { return "bad-shard" }
        let parts = field.bytes.split(separator: ".")
        guard parts.count <= 2, let key = parts.last,
            parts.count == 1 || ["tags", "log"].contains(parts[0])
        else { return "invalid-input" }
        return reservedNames.contains(key) ? "reserved-field" : "invalid-input"
    }

    private static let reservedNames = LogEntry.reservedNames.union(DataSetRecord.reservedNames)
        .union(ModelRecord.reservedNames).union(TaskSpec.reservedNames)
        .subtracting(["_id", "architecture", "status", "script", "hyper_parameters", "saved_result_keys", "result"])
}
