import ArgumentParser
import TensorHub

struct Hold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep pending tasks from being started until they are released.",
        discussion: """
            Example:
              tensorhub hold --name mnist
            """
    )

    @OptionGroup var options: ChangeOptions

    func run() async throws {
        try await options.change("held", where: "pending") { try await $0.holdTasks($1) }
    }
}
