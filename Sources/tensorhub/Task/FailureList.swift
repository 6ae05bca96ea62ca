import BSON
import Console
import TensorHub

/// Which tasks failed, and why, for a person who has waited for them.
enum FailureList {
    /// So many are named one by one; more are put together by what they said last.
    private static let most = 10

    static func text(_ selection: TaskSelection, _ hub: Hub) async throws -> String {
        var selection = selection
        selection.filter = selection.filter && FieldPath("status") == "failed"
        let tasks = try await hub.findTasks(selection, limit: most + 1)
        let width = StandardError.isTerminal ? StandardError.width : nil
        if tasks.count <= most {
            let columns = [TaskField.own(.id), .own(.name), .own(.failure)]
            let fields = tasks.contains { $0.name != nil } ? columns : [columns[0], columns[2]]
            return FieldTable(fields: fields, tasks: tasks, now: .now).table().text(width: width, hasColours: false)
        }
        let groups = try await hub.groupTasks(selection, by: [.own(.failure)], limit: most + 1)
        let rest = groups.count > most ? "and other failures; `tensorhub ls --group-by failure` has all\n" : ""
        let table = GroupTable(fields: [.own(.failure)], groups: Array(groups.prefix(most))).table
        return table.text(width: width, hasColours: false) + rest
    }
}
