import BSON
import HTTPTypes
import TensorHub

extension APIResponder {
    static let dataSetRoutes = [
        Route(.get, "/v1/datasets", query: ["name", "version", "filter", "where", "sort", "limit"]) { api, request in
            let query = try await request.contentQuery(.dataSets, name: request.query["name"], api.hub)
            let limit = try request.limit()
            await api.backend.settle()
            return .json(try await api.asQuery { try await api.hub.findDataSets(query, limit: limit) }.map(\.document))
        },
        Route(
            .get,
            "/v1/datasets/{name}",
            query: ["version", "filter", "where", "sort", "shard", "file", "fetch"]
        ) { api, request in try await api.dataSet(request) },
        Route(.put, "/v1/datasets/{name}", query: ["tags", "file"]) { api, request in
            let name = try request.contentName()
            return try await api.save(request, name, keys: ["_id", "kind", "form", "files", "tags"]) { saved in
                guard let content = saved.content else {
                    throw APIError.invalid("files", "files: there are none; upload at least one and name it here")
                }
                return try await api.backend.saveDataSet(content, name: name, tags: saved.tags, id: saved.id)
            }
        },
        Route(.delete, "/v1/datasets", .serve, query: ["name", "version", "filter", "where", "force"]) { api, request in
            let query = try await request.deletion(of: .dataSets, api.hub)
            let force = try request.flag("force", default: false)
            let count = try await api.asQuery { try await api.hub.deleteDataSets(query, sparingLineage: !force) }
            return .json(["deleted": BSONValue(smallest: count)])
        },
    ]

    @concurrent
    private func dataSet(_ request: APIRequest) async throws -> Answer {
        let query = try await request.contentQuery(.dataSets, name: try request.contentName(orAny: true), hub)
        let shard = try request.query["shard"].map { text throws(HubError) in try Shard(text) }
        await backend.settle()
        let record = try await asQuery { try await hub.findDataSet(query) }
        let backend = backend
        return try await answer(
            request,
            StoredContent(
                label: record.label,
                document: record.document,
                files: try shard?.files(of: record.files) ?? record.files,
                bucket: .dataSets,
                isWhole: shard == nil,
                fetch: { () async throws(HubError) in try await backend.fetch(record, shard: shard) }
            )
        )
    }
}

extension APIRequest {
    /// The name in the path, checked.
    ///
    /// - Parameter orAny: Whether `-` stands for any name; then `nil` comes back.
    func contentName() throws(APIError) -> String {
        let name = parameters[0]
        do { try Content.validate(name: name) } catch { throw APIError(error) }
        return name
    }

    func contentName(orAny: Bool) throws(APIError) -> String? {
        if orAny, parameters[0] == "-" { return nil }
        return try contentName()
    }

    func contentQuery(_ subject: ShortFilter.Subject, name: String?, _ hub: Hub) async throws -> ContentQuery {
        let filter = try await filter(for: subject, hub)
        return ContentQuery(name: name, version: try version(), filter: filter, sort: try sort())
    }

    /// What a deletion is about; at least something has to be said, and a version is one of a name.
    func deletion(of subject: ShortFilter.Subject, _ hub: Hub) async throws -> ContentQuery {
        if query["name"] == nil, query["version"] != nil {
            throw APIError.invalid(
                "name",
                "version=\(query["version"] ?? "") without name= would be that version of every name; name one"
            )
        }
        if query["name"] == nil, !hasFilter { throw APIResponder.missingSelection }
        let filter = try await filter(for: subject, hub)
        return ContentQuery(name: query["name"], version: try version(), filter: filter)
    }
}
