import BSON
import HTTPTypes

/// One operation of the interface.
struct Route: Sendable {
    /// Where it may be called.
    enum Scope: Sendable {
        case everywhere
        /// In an attempt alone.
        case attempt
        /// Under `tensorhub serve` alone: a script changes nothing of the others'.
        case serve
    }

    typealias Handler = @Sendable @concurrent (APIResponder, APIRequest) async throws -> Answer

    let method: HTTPRequest.Method
    /// As in OpenAPI: `/v1/datasets/{name}`.
    let path: String
    let scope: Scope
    /// The names that the query may have.
    let query: Set<ByteString>
    let handler: Handler
    private let segments: [ByteString]

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ scope: Scope = .everywhere,
        query: Set<ByteString> = [],
        _ handler: @escaping Handler
    ) {
        self.method = method
        self.path = path
        self.scope = scope
        self.query = query
        self.handler = handler
        segments = Self.segments(of: path)
    }

    /// What the placeholders stand for, still encoded; `nil` for another path.
    func match(_ parts: [ByteString]) -> [ByteString]? {
        guard parts.count == segments.count else { return nil }
        var values: [ByteString] = []
        for (segment, part) in zip(segments, parts) {
            if segment.hasPrefix("{") { values.append(part) } else if segment != part { return nil }
        }
        return values
    }

    static func segments(of path: some StringProtocol) -> [ByteString] {
        path.bytes.split(separator: "/", omittingEmptySubsequences: false)
    }
}

/// All operations.
struct RouteTable: Sendable {
    let routes: [Route]

    enum Match {
        case found(Route, [ByteString])
        /// The path is there with other methods.
        case wrongMethod([HTTPRequest.Method])
        case none
    }

    func find(_ method: HTTPRequest.Method, _ path: String) -> Match {
        let parts = Route.segments(of: path)
        var others: [HTTPRequest.Method] = []
        for route in routes {
            guard let values = route.match(parts) else { continue }
            if route.method == method { return .found(route, values) }
            others.append(route.method)
        }
        return others.isEmpty ? .none : .wrongMethod(others)
    }
}
