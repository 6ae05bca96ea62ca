import BSON
import HTTPTypes
import TensorHub

extension APIResponder {
    /// What is said of tasks that are there, and their changed copies: `tensorhub set` and `rerun`.
    static let taskSettingRoutes = [
        Route(.post, "/v1/tasks/set", .serve) { api, request in
            let body = try await request.object()
            let selection = try await api.selection(body, besides: ["options", "tags", "remove_tags"])
            if selection.isAll, body["filter"]?.documentValue == nil { throw missingSelection }
            let options = try RequestField.given("options", in: body)?.object()
            let change = try options.map { document throws(APIError) in try OptionRequest(document) }
            let tags = try RequestField.given("tags", in: body)?.object() ?? [:]
            let removed = try RequestField.given("remove_tags", in: body)?.texts() ?? []
            let count = try await api.asQuery {
                try await api.hub.setTasks(
                    selection,
                    options: change.map { change in { options in change.apply(to: &options) } },
                    tags: tags,
                    removing: removed
                )
            }
            return .json(["changed": BSONValue(smallest: count)])
        },
        Route(.post, "/v1/tasks/{id}/rerun", .serve) { api, request in
            let id = try await api.taskID(request)
            let body = try await request.object()
            for key in body.keys where !["name", "hyper_parameters", "tags", "options"].hasBytes(of: key) {
                throw APIError.invalid(
                    key,
                    "there is no field '\(key)' here; known: hyper_parameters, name, options, tags"
                )
            }
            let change = try OptionRequest(try RequestField.given("options", in: body)?.object() ?? [:])
            let made = try await api.backend.writes.rerunTask(
                id,
                name: try RequestField.given("name", in: body)?.text(),
                hyperParameters: try RequestField.given("hyper_parameters", in: body)?.object() ?? [:],
                tags: try RequestField.given("tags", in: body)?.object() ?? [:],
                by: request.account ?? CurrentUser.name
            ) { change.apply(to: &$0) }
            var answer: BSONDocument = ["id": .objectID(made.id)]
            if let number = made.number { answer.append("number", .init(smallest: number)) }
            return .json(answer, .created)
        },
    ]
}

/// Options as a request changes them: `null` takes one away, and variables are added to those that are there.
private struct OptionRequest: Sendable {
    /// Of those that are named.
    private var values = TaskOptions()
    private var named: [(option: TaskOption, isGiven: Bool)] = []

    init(_ document: BSONDocument) throws(APIError) {
        for (key, value) in document {
            let option = try TaskOption.named(key)
            named.append((option, value != .null))
            if value != .null { try RequestField(key, value).set(option, of: &values) }
        }
    }

    func apply(to options: inout TaskOptions) {
        for (option, isGiven) in named {
            if case .variables(let place) = option.value, isGiven {
                options[keyPath: place] = options[keyPath: place].merging(values[keyPath: place])
            } else {
                option.copy(from: values, to: &options)
            }
        }
    }
}

extension RequestField {
    /// `nil` also for null, which is as good as nothing.
    fileprivate static func given(_ name: String, in body: BSONDocument) -> RequestField? {
        body[name].flatMap { $0 == .null ? nil : RequestField(name, $0) }
    }
}

extension TaskOption {
    fileprivate static func named(_ name: String) throws(APIError) -> TaskOption {
        if let option = all.first(where: { $0.name.bytes == name.bytes }) { return option }
        throw .invalid(name, "there is no option '\(name)' of a task; your own fields belong into tags")
    }
}
