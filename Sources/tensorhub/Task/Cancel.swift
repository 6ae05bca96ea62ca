import ArgumentParser
import BSON
import Console
import TensorHub

struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cancel tasks: pending ones at once, running ones as soon as their scripts are dead.",
        discussion: """
            A running script is asked to end: it gets SIGTERM and after its grace period
            SIGKILL; `tensorhub wait` waits for that. --json tells how many are cancelled or
            asked, and how many of these were asked.

            Example:
              tensorhub cancel --name mnist --status pending --reason "wrong data"
            """
    )

    @OptionGroup var options: ChangeOptions

    @Option(help: "Why, for the record.")
    var reason: String?

    func run() async throws {
        var asked = 0
        try await options.change("cancelled", where: "pending or running") { hub, selection in
            let count = try await hub.cancelTasks(selection, by: CurrentUser.name, reason: reason)
            var running = selection
            running.filter = selection.filter && FieldPath("status") == "running" && FieldPath("hub.cancel").exists()
            asked = min(count, try await hub.countTasks(running)[.running] ?? 0)
            return count
        } telling: { count in
            ChangeOptions.Told(
                words: Self.words(cancelled: count - asked, asked: asked),
                counts: [("cancelled", count), ("asked_to_end", asked)]
            )
        }
    }

    /// A script that still runs is not cancelled yet.
    private static func words(cancelled: Int, asked: Int) -> String {
        if asked == 0 { return "\(counted(cancelled, "task")) cancelled" }
        if cancelled == 0 { return "\(counted(asked, "task")) asked to end" }
        return "\(counted(cancelled, "task")) cancelled, \(asked) asked to end"
    }
}
