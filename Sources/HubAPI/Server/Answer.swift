import BSON
import HTTPTypes
import NIOCore
import TensorHub

/// What a route has to say.
struct Answer: Sendable {
    enum Body: Sendable {
        case none
        case text(String)
        /// A JSON array, written element by element.
        case documents([BSONDocument])
        /// The same of a log, each entry read when it is its turn.
        case entries(LogEntry, LogReader)
        /// Bytes that come piece by piece.
        case bytes(ByteSource)
    }

    var status: HTTPResponse.Status
    var headers: HTTPFields
    var body: Body

    /// - Parameter type: The content type; `nil` where the headers name it, or there is nothing that has one.
    init(
        _ status: HTTPResponse.Status = .ok,
        _ type: String? = Self.jsonType,
        headers: HTTPFields = [:],
        body: Body
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        if let type { self.headers[.contentType] = type }
    }

    static let jsonType = "application/json"

    static func json(_ document: BSONDocument, _ status: HTTPResponse.Status = .ok) -> Answer {
        Answer(status, body: .text(document.extendedJSON()))
    }

    static func json(_ documents: [BSONDocument]) -> Answer { Answer(body: .documents(documents)) }

    init(_ error: APIError) {
        var headers = error.headers
        if error.closesConnection { headers[.connection] = "close" }
        self.init(error.status, headers: headers, body: .text(error.document.extendedJSON()))
    }
}

/// Bytes of a known length that are read while they are sent.
struct ByteSource: Sendable {
    var length: Int64
    /// Writes exactly `length` bytes, or throws; then the connection is closed in the middle, which the other side
    /// sees.
    var write: @Sendable (_ send: (ByteBuffer) async throws -> Void) async throws -> Void
}
