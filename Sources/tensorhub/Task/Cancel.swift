import ArgumentParser
import Console
import TensorHub

struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cancel tasks: pending ones at once, running ones as soon as their scripts are dead.",
        discussion: """
            A running script gets SIGTERM and after its grace period SIGKILL; `tensorhub
            wait` waits for that.

            Example:
              tensorhub cancel --name mnist --status pending --reason "wrong data"
            """
    )

    @OptionGroup var options: ChangeOptions

    @Option(help: "Why, for the record.")
    var reason: String?

    func run() async throws {
        try await options.change("cancelled", where: "pending or running") { hub, selection in
            try await hub.cancelTasks(selection, by: CurrentUser.name, reason: reason)
        }
    }
}
