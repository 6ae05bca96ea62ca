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
        try await options.change("released", where: "held") { try await $0.releaseTasks($1) }
    }
}
