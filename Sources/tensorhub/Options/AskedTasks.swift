import BSON
import Console
import TensorHub

/// The tasks that a command line asks for, before a hub has looked up what is meant by numbers and `@last`.
struct AskedTasks {
    var references: [TaskReference] = []
    /// All other conditions but those in the short language.
    var selection = TaskSelection()
    var conditions: [ShortFilter] = []

    /// Whether nothing narrows it down.
    var isAll: Bool { references.isEmpty && selection.isAll && conditions.isEmpty }

    /// - Parameter isTold: Whether standard error says what ranges and `@last` stand for: something is to be changed.
    /// - Throws: A failure of status 3 where a number is of no task, or of one in another project.
    func tasks(of hub: Hub, isTold: Bool = false) async throws -> TaskSelection {
        let meant = try await hub.tasks(meant: references, by: CurrentUser.name)
        if isTold { for meaning in meant.meanings { StandardError.line(Self.words(meaning, hub)) } }
        var tasks = selection
        tasks.ids = meant.selection.ids
        tasks.filter = selection.filter && meant.selection.filter
        for condition in conditions {
            tasks.filter = tasks.filter && (try await condition.resolved(by: hub).filter(for: .tasks))
        }
        return tasks
    }

    private static func words(_ meaning: MeantTasks.Meaning, _ hub: Hub) -> String {
        let tasks = (meaning.numbers.count == 1 ? "task " : "tasks ") + TaskReference.text(meaning.numbers)
        let count = meaning.count.map { " (\($0))" } ?? ""
        let time = meaning.time.map { ", submitted \($0.shownText)" } ?? ""
        let failed = meaning.reference == .latestFailed ? "what failed of " : ""
        return "\(meaning.reference): \(failed)\(tasks)\(count) of project \(hub.project)\(time)"
    }
}
