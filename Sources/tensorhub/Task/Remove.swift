import ArgumentParser
import Console
import TensorHub

struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Delete tasks and their output.",
        discussion: """
            Nothing is deleted while one of the selected tasks is running, unless --force
            is given: then their runners stop the scripts.

            Example:
              tensorhub rm --status cancelled
            """
    )

    @OptionGroup var options: ChangeOptions

    @Flag(help: "Delete running tasks too.")
    var force = false

    func run() async throws {
        try await options.change("deleted", where: "there") { hub, selection in
            if !force {
                let running = try await hub.countTasks(selection)[.running] ?? 0
                if running > 0 {
                    throw CommandFailure.failure(
                        "nothing was deleted: \(counted(running, "selected task")) running; cancel first, narrow the "
                            + "selection with --status, or give --force"
                    )
                }
            }
            return try await hub.deleteTasks(selection, includingRunning: force)
        }
    }
}
