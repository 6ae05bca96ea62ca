import BSON
import HTTPTypes
import TensorHub

extension APIResponder {
    static let generalRoutes = [
        Route(.get, "/v1/health") { api, _ in .json(api.health) },
        Route(.get, "/v1/openapi.json") { _, _ in Answer(body: .text(OpenAPIDocument.text)) },
    ]

    private var health: BSONDocument {
        let attempt: BSONValue = backend.attempt.map { .document($0.id.document) } ?? .null
        return ["status": "ok", "project": .string(hub.project), "attempt": attempt]
    }
}

/// The description of all this for programs.
package enum OpenAPIDocument {
    package static var text: String { String(decoding: PackageResources.openapi_json, as: UTF8.self) }
}
