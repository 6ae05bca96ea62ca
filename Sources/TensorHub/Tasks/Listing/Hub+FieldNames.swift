import BSON
import MongoDriver

/// Whether there is anything of a name that somebody has written.
extension Hub {
    /// Tasks whose names are suggested.
    private static let examined = 1000

    /// - Parameters:
    ///   - option: What the names were given to, for the error: `sort`.
    ///   - tasks: Some tasks that were found already: what one of them has is known.
    /// - Throws: `HubError.invalidInput` of that field for a name that no task of the project has, with the nearest.
    package func check(
        _ fields: [TaskField],
        option: String,
        among tasks: [TaskRecord] = []
    ) async throws(HubError) {
        for field in fields {
            guard let paths = field.checkedPaths else { continue }
            if tasks.contains(where: { task in paths.contains { task.document.value(atPath: $0) != nil } }) { continue }
            if try await hasTask(paths) { continue }
            let names = try await taskFieldNames()
            // Of a project without tasks nothing can be said.
            if names.isEmpty { return }
            throw field.unknown(option, among: names)
        }
    }

    private func hasTask(_ paths: [String]) async throws(HubError) -> Bool {
        let branches = paths.map { BSONValue.document([$0: ["$exists": true]]) }
        let filter: BSONDocument = ["project_name": .string(project), "$or": .array(branches)]
        return try await translatingErrors { () async throws(MongoError) in
            try await tasks.findOne(filter, FindOptions(projection: ["_id": 1])) != nil
        }
    }

    /// The names of results, hyper-parameters and tags that the newest tasks have; none where there is no task.
    private func taskFieldNames() async throws(HubError) -> [String] {
        func names(_ pairs: BSONValue) -> BSONValue { ["$map": ["input": pairs, "as": "pair", "in": "$$pair.k"]] }
        let all =
            ["$result", "$hyper_parameters"].map { names(TaskPairs.of($0)) } + [
                names(["$objectToArray": "$$ROOT"])
            ]
        let found = try await aggregateTasks([
            ["$match": ["project_name": .string(project)]], ["$sort": ["_id": -1]],
            ["$limit": .init(smallest: Self.examined)], ["$unset": ["script", "hub"]],
            ["$project": ["name": ["$concatArrays": .array(all)]]], ["$unwind": "$name"], ["$group": ["_id": "$name"]],
        ])
        let names = found.compactMap { $0["_id"]?.stringValue }
        return names.filter { !TaskSpec.reservedNames.contains($0.bytes) || $0.bytes == "project_name" }
    }
}

extension TaskField {
    /// Where it would have to be; `nil` for a field that every task has, or may have.
    fileprivate var checkedPaths: [String]? {
        switch place {
        case .own: nil
        case .path(let path): Hub.isKnownField(path) ? nil : [path]
        case .firstOf(let paths): paths
        }
    }

    fileprivate func unknown(_ option: String, among names: [String]) -> HubError {
        let places = ["result.", "tag.", "parameter.", "hyper_parameters.", "hub."]
        let place = places.first { text.bytes.hasPrefix($0.bytes) }
        let bare = place.flatMap { text.bytes.dropping($0.bytes) } ?? text
        let others = Self.ownNames + Hub.hubFields.map(\.text)
        let near = NearNames.of(bare, among: names.filter { $0.bytes != "project_name" } + others)
        var error = HubError.invalid(
            option,
            "\(option): no task has '\(text)'"
                + (near.isEmpty
                    ? "; a name is a result, a tag, a hyper-parameter, or one of \(Self.ownNames.joined(separator: ", "))"
                    : "; did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?")
        )
        error.suggestions = near
        return error
    }
}
