import ArgumentParser
import TensorHub

struct RunnerDrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Have runners claim nothing more and let what runs end.",
        discussion: """
            The daemon stays up, drained, until `tensorhub runner resume`; one that is
            started anew claims again.

            Example:
              tensorhub runner drain gpu1 --deadline 10m --wait
            """
    )

    @OptionGroup var targets: RunnerTargets
    @OptionGroup var drain: DrainOptions

    func run() async throws { try await targets.ask(for: .drain, drain) }
}
