import ArgumentParser
import TensorHub

struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run ended tasks again.",
        discussion: """
            Finished, failed and cancelled tasks become pending; the history of their
            attempts and their output stay.

            Examples:
              tensorhub retry @last-failed
              tensorhub retry --name mnist --status failed
            """
    )

    @OptionGroup var options: ChangeOptions

    func run() async throws {
        try await options.change("retried", where: "finished, failed or cancelled") { try await $0.retryTasks($1) }
    }
}
