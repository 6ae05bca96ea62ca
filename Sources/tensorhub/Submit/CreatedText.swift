import BSON
import Console
import TensorHub

/// What is said of tasks that were created.
enum CreatedText {
    /// `task 412 created in project default`, `tasks 412..423 created in project default (12)`.
    static func words(_ made: [CreatedTask], _ hub: Hub) -> String {
        let rest = "created in project \(hub.project)"
        guard let first = made.first?.number, let last = made.last?.number, last - first == made.count - 1 else {
            return made.count == 1 ? "task \(made[0].id) \(rest)" : "\(counted(made.count, "task")) \(rest)"
        }
        if made.count == 1 { return "task \(first) \(rest)" }
        return "tasks \(TaskReference.text(first...last)) \(rest) (\(made.count))"
    }

    static func label(_ task: CreatedTask) -> String { task.number.map(String.init) ?? "\(task.id)" }

    /// For programs.
    static func document(_ task: CreatedTask) -> BSONDocument {
        var document: BSONDocument = ["_id": .objectID(task.id)]
        if let number = task.number { document.append("number", .int64(Int64(number))) }
        return document
    }
}
