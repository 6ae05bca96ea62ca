import BSON
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import TensorHub
import Threads

/// The interface over one backend: finds the route of a request, asks for the token, and turns what comes of it, errors
/// included, into an answer. The routes are extensions, one file for each group.
struct APIResponder: Sendable {
    let backend: any ScriptBackend
    /// What requests must show; `nil` for a socket that only its user can reach.
    let token: String?
    /// Whether clients are on this machine and can be given the paths of files.
    let isLocal: Bool
    let uploads: Uploads
    let stop: Signal<Void>
    let bodies = BodyBudget()
    let doorkeeper: Doorkeeper
    /// Who has sent the request that is being answered.
    var peer: PeerConnection?
    let disk: NIOThreadPool
    let logger: Logger

    /// For queries.
    var hub: Hub { backend.hub }
    var isAttempt: Bool { backend.attempt != nil }

    static let table = RouteTable(
        routes: logRoutes + attemptRoutes + generalRoutes + uploadRoutes + dataSetRoutes + modelRoutes + findRoutes
            + taskRoutes
            + taskChangeRoutes + taskSettingRoutes
    )

    /// The whole of a request: reads, acts, writes.
    @concurrent
    func respond(to request: Request, _ writer: consuming ResponseWriter) async throws {
        let body = RequestStream(request.body, headers: request.headers, bodies)
        if request.headers[.expect]?.lowercased() == "100-continue" {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        let answer: Answer
        do {
            answer = try await self.answer(request, body)
        } catch let broken as BrokenBody {
            // The server answers what is no HTTP with 400, and closes.
            throw broken.underlying ?? broken
        } catch {
            let error = APIError(error)
            if error.status.code == 500 {
                logger.error(
                    "A request of a script failed",
                    metadata: ["http.method": "\(request.method)", "error.message": "\(error.message)"]
                )
            }
            answer = Answer(error)
        }
        try await write(answer, writer)
        // A body that nobody wanted must not be taken for the next request.
        if await !body.discard() || answer.headers[.connection] == "close" { throw BrokenBody() }
    }

    @concurrent
    private func answer(_ request: Request, _ body: RequestStream) async throws -> Answer {
        try authorize(request.headers)
        if let peer { doorkeeper.prove(peer) }
        let target = request.head.path ?? "/"
        let (path, queryText) = target.bytes.cut(atFirst: "?") ?? (target, "")
        let route: Route
        let values: [ByteString]
        switch Self.table.find(request.method, path) {
        case .found(let found, let parameters): (route, values) = (found, parameters)
        case .wrongMethod(let methods):
            let names = methods.map { $0.rawValue }.joined(separator: ", ")
            var error = APIError(
                .methodNotAllowed,
                "method-not-allowed",
                "\(path) knows \(names), not \(request.method)"
            )
            error.headers[.allow] = names
            throw error
        case .none:
            throw APIError.notFound("there is no \(path); /v1/openapi.json lists what there is")
        }
        switch route.scope {
        case .everywhere: break
        case .attempt: if !isAttempt { throw APIError.notInAttempt }
        case .serve: if isAttempt { throw APIError.readOnly }
        }
        let parameters = try values.map { text throws(APIError) in
            guard let value = PercentCoding.decode(text.text) else {
                throw .badName("'\(text)' in the path is not percent-encoded UTF-8")
            }
            return value
        }
        guard let query = PercentCoding.query(queryText) else {
            throw APIError.invalid("query", "the query is not percent-encoded UTF-8")
        }
        for name in query.keys where !route.query.contains(name) {
            let known = route.query.isEmpty ? "none" : route.query.sorted().map(\.text).joined(separator: ", ")
            throw APIError.invalid(name.text, "there is no query parameter '\(name)' here; known: \(known)")
        }
        let call = APIRequest(headers: request.headers, parameters: parameters, query: query, body: body)
        return try await route.handler(self, call)
    }

    private func authorize(_ headers: HTTPFields) throws(APIError) {
        guard let token else { return }
        let scheme = "bearer "
        guard let value = headers[.authorization], value.lowercased().bytes.hasPrefix(scheme.bytes) else {
            let place = isAttempt ? "TENSORHUB_ATTEMPT_TOKEN" : "the server's token file"
            throw .unauthorized("send 'Authorization: Bearer TOKEN' with the text of \(place)")
        }
        if Self.isEqual(String(Substring(value.utf8.dropFirst(scheme.utf8.count))), token) { return }
        if isAttempt {
            throw APIError(
                .forbidden,
                "other-attempt",
                "this socket belongs to another attempt; use the one that TENSORHUB_SOCKET names"
            )
        }
        throw .unauthorized("the token is wrong; read the server's token file again")
    }

    /// Takes as long wherever the first difference is.
    private static func isEqual(_ one: String, _ other: String) -> Bool {
        guard one.utf8.count == other.utf8.count else { return false }
        return zip(one.utf8, other.utf8).reduce(0) { $0 | $1.0 ^ $1.1 } == 0
    }

    /// Runs what waits for MongoDB while somebody waits for it: until the script has ended, or the connection is gone.
    @concurrent
    func whileHeard<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        guard let peer else { return try await body() }
        guard let value = try await peer.gone.before(body) else { throw APIError.ended }
        return value
    }

    // MARK: Writing

    @concurrent
    private func write(_ answer: Answer, _ writer: consuming ResponseWriter) async throws {
        var head = HTTPResponse(status: answer.status, headerFields: answer.headers)
        switch answer.body {
        case .none:
            if answer.status != .notModified { head.headerFields[.contentLength] = "0" }
            try await writer.writeResponse(head)
        case .text(let text):
            let buffer = ByteBuffer(string: text)
            head.headerFields[.contentLength] = "\(buffer.readableBytes)"
            try await writer.write(response: head, body: ResponseBody(byteBuffer: buffer))
        case .documents(let documents):
            var out = try await writer.writeHead(head)
            var array = JSONArray()
            for document in documents {
                if let piece = array.add(document) { try await out.write(piece) }
            }
            try await out.write(array.end())
            try await out.finish(nil)
        case .entries(let first, let rest):
            var out = try await writer.writeHead(head)
            var array = JSONArray()
            var batch = [first]
            while !batch.isEmpty {
                for entry in batch {
                    if let piece = array.add(entry.document) { try await out.write(piece) }
                }
                batch = try await whileHeard { try await rest.batch() }
            }
            try await out.write(array.end())
            try await out.finish(nil)
        case .bytes(let source):
            head.headerFields[.contentLength] = "\(source.length)"
            var out = try await writer.writeHead(head)
            try await source.write { buffer in try await out.write(buffer) }
            try await out.finish(nil)
        }
    }
}

/// A JSON array that is written piece by piece.
private struct JSONArray {
    private static let piece = 128 << 10

    private var buffer = ByteBuffer(string: "[")
    private var isEmpty = true

    /// - Returns: What is to be sent now.
    mutating func add(_ document: BSONDocument) -> ByteBuffer? {
        if !isEmpty { buffer.writeStaticString(", ") }
        isEmpty = false
        buffer.writeString(document.extendedJSON())
        guard buffer.readableBytes >= Self.piece else { return nil }
        defer { buffer = ByteBuffer() }
        return buffer
    }

    consuming func end() -> ByteBuffer {
        buffer.writeStaticString("]")
        return buffer
    }
}
