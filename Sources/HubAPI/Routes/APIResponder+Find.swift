import BSON
import HTTPTypes
import TensorHub

extension APIResponder {
    static let findRoutes = [
        Route(.get, "/v1/find", query: ["q", "limit"]) { api, request in
            guard let text = request.query["q"] else {
                throw APIError.invalid("q", "q is missing; say what is looked for: q=mnist%20accuracy%3E0.9")
            }
            let filter = try ShortFilter(text, field: "q")
            let limit = try request.integer("limit", from: 1, to: 1000) ?? 20
            await api.backend.settle()
            let findings = try await api.asQuery { try await api.hub.find(filter, limit: limit) }
            return .json([
                "found": .array(findings.found.map { .document($0.json) }), "more": .bool(findings.hasMore),
                "cut": .bool(findings.isCut),
            ])
        }
    ]
}
