import ArgumentParser
import TensorHub

struct RunnerStop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Drain runners, then end their processes.",
        discussion: """
            The processes end with status 0, and the systemd unit leaves them ended until
            systemctl start. A service manager that always restarts them starts new ones:
            there, drain.

            Example:
              tensorhub runner stop gpu1 --deadline 10m --wait
            """
    )

    @OptionGroup var targets: RunnerTargets
    @OptionGroup var drain: DrainOptions

    func run() async throws { try await targets.ask(for: .stop, drain) }
}
