import ArgumentParser
import TensorHub

struct Release: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let held tasks be started.",
        discussion: """
            Example:
              tensorhub release --name mnist
            """
    )

    @OptionGroup var options: ChangeOptions

    func run() async throws {
        try await options.change("released", where: "held") { hub, selection in
            try await hub.releaseTasks(selection)
        }
    }
}
