import BSON
import Console
import MongoDriver
import TensorHub

/// What is said where no task matches. A name that is nearly that of tasks is the likeliest reason.
enum NothingMatched {
    static func failure(
        _ selection: TaskSelection,
        _ hub: Hub,
        _ words: String = "no task matches"
    ) async -> CommandFailure {
        CommandFailure.nothingMatched(words + (await hint(selection, hub)))
    }

    private static func hint(_ selection: TaskSelection, _ hub: Hub) async -> String {
        guard !selection.names.isEmpty, let known = try? await taskNames(hub) else { return "" }
        let unknown = selection.names.filter { !known.hasBytes(of: $0) }
        guard let name = unknown.first else { return "" }
        let text = "; no task of project \(hub.project) is named '\(TerminalText.oneLine(name))'"
        return text + NearNames.question(name, among: known)
    }

    /// An index has each name once, so the server looks at one key for each.
    private static func taskNames(_ hub: Hub) async throws -> [String] {
        let reply = try await hub.database.runCommand([
            "distinct": "Task", "key": "task_name", "query": ["project_name": .string(hub.project)], "maxTimeMS": 1000,
        ])
        return (reply["values"]?.arrayValue ?? []).compactMap(\.stringValue)
    }
}

extension NearNames {
    /// `, did you mean 'mnist'?`; empty where no name is near.
    static func question(_ name: String, among known: [String]) -> String {
        let near = of(name, among: known).map { "'\(TerminalText.oneLine($0))'" }
        return near.isEmpty ? "" : "; did you mean \(near.joined(separator: ", "))?"
    }
}
