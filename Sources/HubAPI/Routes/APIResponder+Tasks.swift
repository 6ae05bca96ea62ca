import BSON
import HTTPTypes
import TensorHub
import Threads

extension APIResponder {
    static let taskRoutes = [
        Route(.get, "/v1/tasks", query: ["filter", "where", "sort", "limit", "name", "status"]) { api, request in
            let selection = try await request.selection(api.hub)
            let sort = try request.sort() ?? .oldest
            let limit = try request.limit()
            return .json(
                try await api.asQuery { try await api.hub.findTasks(selection, sort: sort, limit: limit) }
                    .map(\.document)
            )
        },
        Route(.get, "/v1/tasks/unfinished", query: ["name", "filter", "where"]) { api, request in
            let selection = try await request.selection(api.hub)
            let isUnfinished = try await api.asQuery { try await api.hub.hasUnfinishedTasks(selection) }
            return .json(["unfinished": .bool(isUnfinished)])
        },
        Route(.post, "/v1/tasks/wait") { api, request in try await api.waitForTasks(request) },
        Route(.get, "/v1/tasks/{id}") { api, request in
            let id = try await api.taskID(request)
            return .json(try await api.hub.task(id).document.withoutFileData)
        },
        Route(.get, "/v1/tasks/{id}/why") { api, request in
            let id = try await api.taskID(request)
            return .json(try await api.whileHeard { try await api.hub.explain(id).document })
        },
        Route(.get, "/v1/tasks/{id}/output", query: ["attempt", "after", "limit"]) { api, request in
            try await api.taskOutput(request)
        },
    ]

    @concurrent
    private func waitForTasks(_ request: APIRequest) async throws -> Answer {
        let body = try await request.object()
        let selection = try await selection(body, besides: ["timeout"])
        let longest = Double(Self.longestWait)
        guard let seconds = (body["timeout"] ?? .double(longest)).doubleValue, (0...longest).contains(seconds) else {
            throw APIError.invalid("timeout", "timeout must be a number of seconds from 0 to \(Self.longestWait)")
        }
        let hub = hub
        let progress: TaskProgress? = try await asQuery {
            do {
                return try await stop.before {
                    try await hub.waitForTasks(selection, timeout: .seconds(seconds))
                }
            } catch let error as HubError where error.code == .timeout {
                return nil
            }
        }
        let counts: TaskProgress
        if let progress {
            counts = progress
        } else {
            counts = TaskProgress(counts: try await hub.countTasks(selection))
        }
        let elements = counts.counts.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { ($0.key.rawValue, BSONValue(smallest: $0.value)) }
            .filter { !$0.0.utf8.contains(0) }
        return .json([
            "done": .bool(counts.unfinished == 0), "counts": .document(BSONDocument(elements: elements)),
        ])
    }

    /// The task that the path names by its number or its identifier.
    func taskID(_ request: APIRequest) async throws(APIError) -> ObjectID {
        do {
            return try await hub.task(meant: TaskReference(request.parameters[0]))
        } catch {
            throw APIError(error)
        }
    }

    /// A selection in a body: `name`, `ids`, `filter`, `where`.
    func selection(
        _ body: BSONDocument,
        besides others: Set<ByteString> = []
    ) async throws(APIError) -> TaskSelection {
        var selection = TaskSelection()
        for (key, value) in body {
            switch (key, value) {
            case (_, .null): break
            case ("name", .string(let name)): selection.names = [name]
            case ("name", _): throw .invalid("name", "name is \(value); it must be a text")
            case ("ids", .array(let values)):
                selection.ids = try await taskIDs(values)
                // An empty list is no task, not any.
                if values.isEmpty { selection.filter = selection.filter && Filter(["_id": ["$in": []]]) }
            case ("ids", _): throw .invalid("ids", "ids must be an array")
            case ("filter", .document(let filter)):
                selection.filter = selection.filter && (try APIRequest.checked(filter))
            case ("where", .string(let text)):
                selection.filter = selection.filter && (try await APIRequest.short(text, for: .tasks, hub))
            case ("where", _): throw .invalid("where", "where is \(value); it must be a text")
            case ("filter", _): throw .invalid("filter", "filter is \(value); it must be an object")
            default:
                if others.contains(key.bytes) { break }
                let known = (others.union(["name", "ids", "filter", "where"])).sorted().map(\.text).joined(
                    separator: ", "
                )
                throw .invalid(key, "there is no field '\(key)' here; known: \(known)")
            }
        }
        return selection
    }

    /// Identifiers, numbers, and what people write for them, as `"410..420"`.
    private func taskIDs(_ values: [BSONValue]) async throws(APIError) -> [ObjectID] {
        do {
            let references = try values.map { value throws(HubError) in
                switch value {
                case .objectID(let id): return TaskReference.id(id)
                case .string(let text): return try TaskReference(text, field: "ids")
                default:
                    let number = value.intValue.map { "\($0)" }
                    return try TaskReference(number ?? value.extendedJSON(), field: "ids")
                }
            }
            return try await hub.tasks(meant: references).selection.ids
        } catch {
            throw APIError(error)
        }
    }
}

extension APIRequest {
    func selection(_ hub: Hub) async throws(APIError) -> TaskSelection {
        TaskSelection(
            names: query["name"].map { [$0] } ?? [],
            statuses: query["status"].map { [TaskStatus(rawValue: $0)] } ?? [],
            filter: try await filter(for: .tasks, hub)
        )
    }
}

extension BSONDocument {
    /// A task with its script, but without the bytes of its files.
    var withoutFileData: BSONDocument {
        guard var hub = self["hub"]?.documentValue, let files = hub["files"]?.arrayValue else { return self }
        hub["files"] = .array(
            files.map { file in
                guard var document = file.documentValue else { return file }
                document["data"] = nil
                return .document(document)
            }
        )
        var task = self
        task["hub"] = .document(hub)
        return task
    }
}
