import BSON
import Console
import TensorHub

/// The tasks behind the entries of a log.
enum LogTasks {
    /// More than this many tasks make a filter that no server likes.
    static let most = 10_000

    /// Identifiers may be of tasks that are gone; what else is meant is looked up.
    static func meant(_ references: [TaskReference], _ hub: Hub) async throws -> [ObjectID] {
        let meant = try await hub.tasks(meant: references, by: CurrentUser.name).selection
        if meant.filter.document.isEmpty { return try limited(meant.ids, "--task means") }
        let found = try await hub.findTasks(meant, sort: .newest, limit: most + 1, projection: ["_id": 1])
        return try limited(found.compactMap(\.id), "--task means")
    }

    private static func limited(_ ids: [ObjectID], _ what: String) throws -> [ObjectID] {
        if ids.count <= most { return ids }
        throw CommandFailure.badInput("\(what) more than \(most) tasks; choose fewer")
    }

    static func named(_ names: [String], _ hub: Hub) async throws -> [ObjectID] {
        let found = try await hub.findTasks(
            TaskSelection(names: names),
            sort: .newest,
            limit: most + 1,
            projection: ["_id": 1]
        )
        if found.count > most {
            throw CommandFailure.badInput(
                "more than \(most) tasks are named \(names.joined(separator: " or ")); choose some with --task"
            )
        }
        return found.compactMap(\.id)
    }

    /// How the tasks of a plot are called: by the hyper-parameters that differ, else by their numbers.
    static func labels(_ ids: [ObjectID], _ hub: Hub) async throws -> [ObjectID: String] {
        if ids.isEmpty { return [:] }
        let tasks = try await hub.findTasks(
            .ids(ids),
            sort: .oldest,
            limit: nil,
            projection: ["task_name": 1, "hyper_parameters": 1, "hub.number": 1]
        )
        let parameters = Dictionary(
            tasks.compactMap { task in task.id.map { ($0, values(of: task)) } },
            uniquingKeysWith: { first, _ in first }
        )
        func text(_ id: ObjectID, _ key: String) -> String? { parameters[id]?[key.bytes]?.tableText }
        var keys = Set(parameters.values.flatMap(\.keys)).sorted().map(\.text)
        keys = keys.filter { key in Set(ids.map { text($0, key)?.bytes }).count > 1 }
        let names = Dictionary(
            tasks.compactMap { task in task.id.map { ($0, task.name) } },
            uniquingKeysWith: { first, _ in first }
        )
        let numbers = Dictionary(
            tasks.compactMap { task in task.id.flatMap { id in task.number.map { (id, "\($0)") } } },
            uniquingKeysWith: { first, _ in first }
        )
        let differentNames = Set(ids.map { names[$0]??.bytes }).count > 1 || ids.count == 1
        var labels: [ObjectID: String] = [:]
        for id in ids {
            var words = keys.compactMap { key in text(id, key).map { "\(key)=\(TerminalText.truncated($0, to: 16))" } }
            if differentNames, let name = names[id] ?? nil { words.insert(name, at: 0) }
            labels[id] = words.joined(separator: " ")
        }
        let counts = Dictionary(labels.values.map { ($0.bytes, 1) }, uniquingKeysWith: +)
        for (id, label) in labels where label.isEmpty || counts[label.bytes] ?? 0 > 1 {
            labels[id] = (label.isEmpty ? "task" : label) + " " + (numbers[id] ?? String(id.description.suffix(6)))
        }
        return labels
    }

    private static func values(of task: TaskRecord) -> [ByteString: BSONValue] {
        Dictionary(firstOf: (task.hyperParameters ?? [:]).flattened.map { ($0.key, $0.value) })
    }
}
