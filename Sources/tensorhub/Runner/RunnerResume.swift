import ArgumentParser
import TensorHub

struct RunnerResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Have paused and drained runners claim again.",
        discussion: """
            Example:
              tensorhub runner resume --all
            """
    )

    @OptionGroup var targets: RunnerTargets

    func run() async throws { try await targets.ask(for: .resume) }
}
