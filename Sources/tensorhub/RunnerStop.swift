import ArgumentParser
import TensorHub

struct RunnerStop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Drain runners, then end their processes.",
        discussion: """
            The processes end with status 0. A service manager that always restarts them,
            as the systemd unit does, starts new ones: there, drain, or use systemctl.

            Example:
              tensorhub runner stop gpu1 --deadline 10m --wait
            """
    )

    @OptionGroup var targets: RunnerTargets
    @OptionGroup var drain: DrainOptions

    func run() async throws {
        let deadline = try drain.duration()
        try await targets.ask(for: .stop, drain) { hub, selection in
            try await hub.stopRunners(selection, deadline: deadline, by: Cancel.user)
        }
    }
}
