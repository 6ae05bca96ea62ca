import BSON
import HTTPTypes
import TensorHub

extension APIResponder {
    private static let path = UnsentRequest.logsPath("{kind}")
    static let logRoutes = [
        Route(.post, path) { api, request in try await api.saveLogs(request) },
        Route(.get, path, query: ["filter", "where", "sort", "limit", "skip"]) { api, request in
            try await api.logs(request)
        },
        Route(.delete, path, .serve, query: ["filter", "where"]) { api, request in
            try await api.deleteLogs(request)
        },
    ]

    private func kind(_ request: APIRequest) throws(APIError) -> LogKind {
        guard let kind = LogKind(rawValue: request.parameters[0]) else {
            throw .notFound("there is no log '\(request.parameters[0])'; the logs are training, validation and testing")
        }
        return kind
    }

    @concurrent
    private func saveLogs(_ request: APIRequest) async throws -> Answer {
        let kind = try kind(request)
        let documents = try await request.objects()
        if !documents.isEmpty { try await backend.saveLogs(kind, documents) }
        return Answer(.accepted, body: .text("{\"saved\": \(documents.count)}"))
    }

    @concurrent
    private func logs(_ request: APIRequest) async throws -> Answer {
        let kind = try kind(request)
        let filter = try await request.filter(for: .logs, hub)
        let sort = try request.sort()
        let limit = try request.limit()
        let skip = try request.integer("skip", from: 0, to: Int(Int32.max)) ?? 0
        await backend.settle()
        // A fault of the query shows with the first entry, when there still can be an answer that says so.
        let (first, rest) = try await asQuery {
            let reader = try await hub.logReader(kind, filter, sort: sort, limit: limit, skip: skip)
            return (try await reader.next(), reader)
        }
        guard let first else { return .json([]) }
        return Answer(body: .entries(first, rest))
    }

    @concurrent
    private func deleteLogs(_ request: APIRequest) async throws -> Answer {
        let kind = try kind(request)
        let filter = try await request.filter(for: .logs, hub)
        if !request.hasFilter { throw Self.missingSelection }
        let count = try await asQuery { try await hub.deleteLogs(kind, filter) }
        return .json(["deleted": BSONValue(smallest: count)])
    }
}

extension APIResponder {
    static let missingSelection = APIError.invalid(
        "filter",
        "this would be about everything; say so with the filter {}, or say what with a filter"
    )

    /// Runs a call whose filter and sort are the client's: what the server cannot make of them is the client's fault.
    /// It is given up where nobody waits for its answer any more: the script has ended, or the connection is gone.
    @concurrent
    func asQuery<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        do {
            return try await whileHeard(body)
        } catch let error as HubError where error.isQueryFault {
            throw APIError.invalid("filter", "MongoDB cannot use the filter or the sort: \(error.message)")
        }
    }
}
