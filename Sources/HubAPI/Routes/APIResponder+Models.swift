import BSON
import HTTPTypes
import TensorHub

extension APIResponder {
    static let modelRoutes = [
        Route(.get, "/v1/models", query: ["name", "version", "stage", "filter", "where", "sort", "limit"]) {
            api,
            request in
            try await api.models(request)
        },
        Route(
            .get,
            "/v1/models/{name}",
            query: ["version", "stage", "filter", "where", "sort", "file", "fetch"]
        ) { api, request in try await api.model(request) },
        Route(.put, "/v1/models/{name}", query: ["tags", "architecture", "file"]) { api, request in
            let name = try request.contentName()
            return try await api.save(
                request,
                name,
                keys: ["_id", "architecture", "kind", "form", "files", "tags"]
            ) { saved in
                try await api.backend.saveModel(
                    saved.content,
                    name: name,
                    architecture: saved.architecture,
                    tags: saved.tags,
                    id: saved.id
                )
            }
        },
        Route(.delete, "/v1/models", .serve, query: ["name", "version", "filter", "where", "force"]) { api, request in
            let query = try await request.deletion(of: .models, api.hub)
            let force = try request.flag("force", default: false)
            let count = try await api.asQuery { try await api.hub.deleteModels(query, force: force) }
            return .json(["deleted": BSONValue(smallest: count)])
        },
        Route(.put, "/v1/models/{name}/stages/{stage}", .serve, query: ["version"]) { api, request in
            let query = ContentQuery(name: try request.contentName(), version: try request.version())
            let record = try await api.backend.writes.setStage(request.parameters[1], of: query)
            return .json(["document": .document(record.document)])
        },
        Route(.delete, "/v1/models/{name}/stages/{stage}", .serve) { api, request in
            let name = try request.contentName()
            guard try await api.backend.writes.unsetStage(request.parameters[1], name: name) else {
                throw APIError.notFound("no version of model '\(name)' is '\(request.parameters[1])'")
            }
            return .json(["deleted": 1])
        },
    ]

    @concurrent
    private func models(_ request: APIRequest) async throws -> Answer {
        let query = try await request.contentQuery(.models, name: request.query["name"], hub)
        let limit = try request.limit()
        await backend.settle()
        guard let stage = request.query["stage"] else {
            return .json(try await asQuery { try await hub.findModels(query, limit: limit) }.map(\.document))
        }
        do {
            return .json([try await asQuery { try await hub.findModel(query, stage: stage) }.document])
        } catch let error as HubError where error.code == .notFound {
            return .json([])
        }
    }

    @concurrent
    private func model(_ request: APIRequest) async throws -> Answer {
        let query = try await request.contentQuery(.models, name: try request.contentName(orAny: true), hub)
        await backend.settle()
        let record = try await asQuery { try await hub.findModel(query, stage: request.query["stage"]) }
        let backend = backend
        return try await answer(
            request,
            StoredContent(
                label: record.label,
                document: record.document,
                files: record.files,
                bucket: .models,
                isWhole: true,
                fetch: { () async throws(HubError) in try await backend.fetch(record) }
            )
        )
    }
}
