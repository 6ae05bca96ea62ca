import BSON
import HTTPTypes
import TensorHub

extension APIResponder {
    /// What distributors do.
    static let taskChangeRoutes = [
        Route(.post, "/v1/tasks", .serve) { api, request in
            let documents = try await request.objects()
            let isSingle = documents.count == 1
            let specs = try documents.enumerated().map { index, document in
                do throws(APIError) {
                    return try TaskSpec(request: document)
                } catch {
                    guard isSingle else { throw error.located(at: index) }
                    throw error
                }
            }
            let made = try await api.backend.writes.submitTasks(specs, by: request.account ?? CurrentUser.name)
            var answer: BSONDocument = ["ids": .array(made.map { .objectID($0.id) })]
            let numbers = made.compactMap(\.number)
            if numbers.count == made.count {
                answer.append("numbers", .array(numbers.map { .init(smallest: $0) }))
            }
            return .json(answer, .created)
        },
        Route(.delete, "/v1/tasks", .serve, query: ["filter", "where", "name", "status"]) { api, request in
            let selection = try await request.selection(api.hub)
            if selection.isAll, !request.hasFilter { throw missingSelection }
            let count = try await api.asQuery { try await api.hub.deleteTasks(selection) }
            return .json(["deleted": BSONValue(smallest: count)])
        },
        Route(.post, "/v1/tasks/cancel", .serve) { api, request in
            let body = try await request.object()
            let selection = try await api.selection(body, besides: ["reason"])
            if selection.isAll, body["filter"]?.documentValue == nil { throw missingSelection }
            let reason = body["reason"]?.stringValue
            let count = try await api.asQuery { try await api.hub.cancelTasks(selection, by: "API", reason: reason) }
            return .json(["cancelled": BSONValue(smallest: count)])
        },
        change("retry", "retried") { hub, selection in try await hub.retryTasks(selection) },
        change("hold", "held") { hub, selection in try await hub.holdTasks(selection) },
        change("release", "released") { hub, selection in try await hub.releaseTasks(selection) },
    ]

    /// A change of all tasks of a selection, which has nothing but a number to tell.
    private static func change(
        _ verb: String,
        _ participle: String,
        _ body: @escaping @Sendable (Hub, TaskSelection) async throws -> Int
    ) -> Route {
        Route(.post, "/v1/tasks/\(verb)", .serve) { api, request in
            let document = try await request.object()
            let selection = try await api.selection(document)
            if selection.isAll, document["filter"]?.documentValue == nil { throw missingSelection }
            let count = try await api.asQuery { try await body(api.hub, selection) }
            return .json([participle: BSONValue(smallest: count)])
        }
    }
}

extension HTTPField.Name {
    fileprivate static let account = Self("Tensorhub-Account")!
}

extension APIRequest {
    /// Whose request it is, as the client says; for the record, and no proof of anything.
    var account: String? { headers[.account].flatMap { $0.isEmpty ? nil : $0 } }
}

extension APIError {
    /// Of several tasks, which one.
    fileprivate func located(at index: Int) -> APIError {
        var error = self
        error.message = "task \(index): \(message)"
        error.field = field.map { "\(index).\($0)" }
        return error
    }
}

extension TaskSpec {
    /// A task as a request describes it. What is in it beyond types is checked when it is created.
    init(request document: BSONDocument) throws(APIError) {
        self.init(script: [])
        var scriptPath: String?
        for (key, value) in document where value != .null {
            let field = RequestField(key, value)
            switch key {
            case "name": name = try field.text()
            case "script": script = try field.bytes()
            case "script_path": scriptPath = try field.text()
            case "hyper_parameters": hyperParameters = try field.object()
            case "saved_result_keys": savedResultKeys = try field.texts()
            case "tags": tags = try field.object()
            default:
                guard let option = TaskOption.all.first(where: { $0.name.bytes == key.bytes }) else {
                    throw .invalid(key, "there is no field '\(key)' of a task here; your own fields belong into tags")
                }
                try field.set(option, of: &options)
            }
        }
        if let scriptPath {
            scriptName = Self.scriptName(of: scriptPath)
            do {
                options.interpreter = try Self.interpreter(options.interpreter, script: script, path: scriptPath)
            } catch {
                throw APIError(error)
            }
        }
    }
}

extension RequestField {
    /// Sets an option of a task, which must have the type that the table says.
    func set(_ option: TaskOption, of options: inout TaskOptions) throws(APIError) {
        switch option.value {
        case .number(let place, _): options[keyPath: place] = try number()
        case .text(let place, _): options[keyPath: place] = try text()
        case .choice(let place, let words):
            let word = try text()
            guard words.hasBytes(of: word) else {
                throw .invalid(
                    option.name,
                    "\(option.name) is '\(word)'; it must be one of \(words.joined(separator: ", "))"
                )
            }
            options[keyPath: place] = word
        case .texts(let place): options[keyPath: place] = try texts()
        case .variables(let place): options[keyPath: place] = try object()
        case .duration(let place, _): options[keyPath: place] = try duration()
        case .time(let place): options[keyPath: place] = try time()
        case .flag(let place): options[keyPath: place] = try flag()
        case .rules(let place):
            options[keyPath: place] = try texts().map { text throws(APIError) in
                do { return try FailureRule(parsing: text) } catch { throw APIError(error) }
            }
        case .files(let place):
            options[keyPath: place] = try array().map { value throws(APIError) in try Self.file(value) }
        }
    }

    private static func file(_ value: BSONValue) throws(APIError) -> TaskFile {
        guard let document = value.documentValue, let path = document["path"]?.stringValue,
            let data = document["data"]
        else { throw .invalid("files", "a file must be {\"path\": \"...\", \"data\": ...}") }
        let mode = document["mode"] ?? 0o644
        guard let bits = mode.intValue, (0...0o777).contains(bits) else {
            throw .invalid("files", "the mode of '\(path)' is \(mode); it must be from 0 to 511 (0o777)")
        }
        return TaskFile(path: path, mode: Int32(bits), data: try RequestField("files", data).bytes())
    }
}
