import ArgumentParser
import BSON
import Console
import Glibc
import MongoDriver
import Settings
import TensorHub

/// What shells complete from MongoDB: ids of tasks, names, projects. A person waits at the tab key, so whatever goes
/// wrong, or takes longer than the limit, is silence.
enum Completion {
    /// TENSORHUB_COMPLETION_LIMIT, for a MongoDB that is far away; 200 ms without it.
    static let limit: Duration =
        getenv("TENSORHUB_COMPLETION_LIMIT").flatMap { Quantity.duration(String(cString: $0)) } ?? .milliseconds(200)

    /// More ids than this nobody looks through; one that is begun finds older tasks.
    private static let most = 50

    /// The newest first, those that the verb is about; numbers before ids.
    static let tasks = kind { hub, line in
        if line.isAtWord { return ["@last", "@last~1", "@last-failed"].map { CompletionWord($0) } }
        let statuses = statuses(line.verb)
        var numbered: [TaskRecord] = []
        if let numbers = line.numbers { numbered = try await found(hub, statuses, numbers) }
        let identified = try await found(hub, statuses, line.ids ?? [:])
        let named = identified.compactMap { task in
            let isByNumber = line.ids == nil && task.number != nil
            return isByNumber ? CompletionWord(task.label, note: note(task)) : nil
        }
        let digits = identified.compactMap { task in
            line.ids == nil && task.number != nil ? nil : task.id.map { CompletionWord("\($0)", note: note(task)) }
        }
        return numbered.map { CompletionWord($0.label, note: note($0)) } + named + digits
    }

    private static func found(
        _ hub: Hub,
        _ statuses: [TaskStatus],
        _ condition: BSONDocument
    ) async throws -> [TaskRecord] {
        let fields: BSONDocument = ["task_name": 1, "status": 1, "hub.hold": 1, "hub.cancel": 1, "hub.number": 1]
        let selection = TaskSelection(statuses: statuses, filter: Filter(condition))
        return try await hub.findTasks(selection, sort: .descending("_id"), limit: most, projection: fields)
    }

    private static func note(_ task: TaskRecord) -> String {
        [task.name, task.state].compactMap(\.self).joined(separator: ", ")
    }

    static let runners = kind { hub, line in
        let found = try await hub.findRunners().filter { $0.state != .stopped || line.words.contains("show") }
        return found.map { runner in
            CompletionWord(
                runner.name ?? "\(runner.id)",
                note: [runner.host, runner.stateText].compactMap(\.self).joined(separator: ", ")
            )
        }
    }

    static let taskNames = kind { hub, _ in try await names(hub, "Task", "task_name") }
    static let dataSets = kind { hub, _ in try await names(hub, "Dataset", "dataset_name") }
    static let models = kind { hub, _ in try await names(hub, "Model", "model_name") }

    /// Of options that data sets and models have alike.
    static let contents = kind { hub, line in
        line.verb.bytes == "model"
            ? try await names(hub, "Model", "model_name") : try await names(hub, "Dataset", "dataset_name")
    }

    static let projects = kind { hub, _ in
        var all: [String] = []
        for collection in ["Task", "Dataset", "Model"] {
            all += try await distinct(hub, collection, "project_name", [:])
        }
        return all.uniqueByBytes().sortedByBytes().map { CompletionWord($0) }
    }

    private static func kind(
        _ find: @escaping @Sendable (Hub, CompletionLine) async throws -> [CompletionWord]
    ) -> CompletionKind {
        let complete: @Sendable ([String], Int, String) async -> [String] = { words, _, prefix in
            Interrupt.endSilently(after: limit)
            let shell = CompletionShell.requesting
            let line = CompletionLine(words, prefix: prefix, shell)
            guard let hub = try? await line.hub(), let found = try? await find(hub, line) else { return [] }
            return found.compactMap { $0.text(for: shell) }
        }
        return .custom(complete)
    }

    private static func names(_ hub: Hub, _ collection: String, _ field: String) async throws -> [CompletionWord] {
        try await distinct(hub, collection, field, ["project_name": .string(hub.project)]).map { CompletionWord($0) }
    }

    /// An index has each value once, so the server looks at one key for each.
    private static func distinct(_ hub: Hub, _ collection: String, _ field: String, _ filter: BSONDocument) async throws
        -> [String]
    {
        let reply = try await hub.database.runCommand([
            "distinct": .string(collection), "key": .string(field), "query": .document(filter),
            "maxTimeMS": .int64(limit.wholeMilliseconds),
        ])
        return (reply["values"]?.arrayValue ?? []).compactMap(\.stringValue)
    }

    private static func statuses(_ verb: String) -> [TaskStatus] {
        switch verb.bytes {
        case "cancel": [.pending, .running]
        case "hold", "release": [.pending]
        case "retry": [.finished, .failed, .cancelled]
        default: []
        }
    }
}
