import ArgumentParser
import TensorHub

struct RunnerPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Have runners claim nothing until they are resumed; what runs goes on.",
        discussion: """
            A paused runner stays paused when it is started anew.

            Example:
              tensorhub runner pause gpu1
            """
    )

    @OptionGroup var targets: RunnerTargets

    func run() async throws { try await targets.ask(for: .pause) }
}
