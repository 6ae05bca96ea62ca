package import BSON
import MongoDriver

/// Tasks that are alike in some fields.
package struct TaskTally: Sendable {
    /// As many as there are fields; `nil` where the tasks have no such value, or null.
    package var key: [BSONValue?]
    package var counts: [TaskStatus: Int]
    /// Those of states that another program has made up too.
    package var total: Int
    /// The latest of them.
    package var latest: ObjectID?
    package var latestNumber: Int?
}

extension Hub {
    /// How many tasks of a selection are in each state, for each value of some fields: the largest groups first. The
    /// server counts. By the failure only tasks that have failed are counted.
    ///
    /// - Parameter limit: At most so many groups; `nil` means all.
    package func groupTasks(
        _ selection: TaskSelection,
        by fields: [TaskField],
        limit: Int?
    ) async throws(HubError) -> [TaskTally] {
        var selection = selection
        if fields.contains(.own(.failure)) {
            selection.filter = selection.filter && FieldPath("status") == .string(TaskStatus.failed.rawValue)
        }
        let sums = TaskStatus.all.map { status -> (String, BSONValue) in
            (status.rawValue, ["$sum": ["$cond": [["$eq": ["$status", .string(status.rawValue)]], 1, 0]]])
        }
        let group: [(String, BSONValue)] = [
            ("_id", Self.key(fields)), ("total", ["$sum": 1]),
            ("latest", ["$max": ["id": "$_id", "number": "$hub.number"]]),
        ]
        var pipeline: [BSONDocument] = [
            ["$match": .document(selection.document(project: project))],
            ["$group": .document(BSONDocument(elements: group + sums))], ["$sort": ["total": -1, "_id": 1]],
        ]
        if let limit { pipeline.append(["$limit": .init(smallest: limit)]) }
        pipeline.append(["$set": ["key": "$_id"]])
        // Megabytes that tell nobody anything.
        let scripts = fields.indices.filter { fields[$0] == .own(.script) }
        pipeline.append(["$unset": .array(["_id"] + scripts.map { .string("key.k\($0)") })])
        var groups = try await aggregateTasks(pipeline).map { found in
            TaskTally(
                key: Self.values(found["key"], fields),
                counts: Dictionary(
                    TaskStatus.all.map { ($0, found[$0.rawValue]?.intValue ?? 0) },
                    uniquingKeysWith: +
                ),
                total: found["total"]?.intValue ?? 0,
                latest: found.value(atPath: "latest.id")?.objectIDValue,
                latestNumber: found.value(atPath: "latest.number")?.intValue
            )
        }
        for place in scripts {
            for index in groups.indices { groups[index].key[place] = try await scriptText(of: groups[index].latest) }
        }
        return groups
    }

    /// The `_id` of groups: a document with a field for each, null where there is no value.
    static func key(_ fields: [TaskField]) -> BSONValue {
        let keys = fields.enumerated().map { index, field -> (String, BSONValue) in
            ("k\(index)", ["$ifNull": [field.expression, .null]])
        }
        return .document(BSONDocument(elements: keys))
    }

    static func values(_ key: BSONValue?, _ fields: [TaskField]) -> [BSONValue?] {
        fields.indices.map { index in
            let value = key?.documentValue?["k\(index)"]
            return value == .null ? nil : value
        }
    }

    /// How a task's script is told from others: the command, or the beginning of the SHA-256 of its bytes.
    private func scriptText(of id: ObjectID?) async throws(HubError) -> BSONValue? {
        guard let id else { return nil }
        let projection: BSONDocument = ["script": 1, "hub.command": 1]
        let found = try await findTasks(.ids([id]), sort: .oldest, limit: 1, projection: projection)
        guard let task = found.first else { return nil }
        if !task.command.isEmpty { return .string(task.command.joined(separator: " ")) }
        return task.script.map { .string("sha256 \(SHA256.hex(of: $0).prefix(12))") }
    }
}
