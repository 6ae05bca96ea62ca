import ArgumentParser
import Console
import Logging
import Settings
import TaskRunner
import UnixSignals

@main
struct Tensorhubd: AsyncParsableCommand, HandlesSignals {
    static let configuration = CommandConfiguration(
        commandName: "tensorhubd",
        abstract: "Runs the tasks of a project on this machine.",
        discussion: """
            Claims tasks from MongoDB, runs their scripts, and writes output and results
            back. SIGTERM drains: nothing more is claimed and what runs may end; a second
            one stops the scripts with grace and gives their tasks back; a third one kills
            them at once and ends within ten seconds. SIGHUP reads the settings again.
            SIGUSR2 ends this process and leaves the scripts running: the next daemon takes
            them up. SIGUSR1 says that the machine goes down: the scripts are stopped with
            grace, for at most 90 seconds. Every flag is also a key of the configuration
            files and a variable TENSORHUB_...

            Example:
              tensorhubd --uri mongodb://db1,db2/?replicaSet=rs0 --project mnist --slots 4
            """,
        version: version
    )

    @OptionGroup var options: DaemonOptions

    @Flag(help: "Run one task and end with its script's status; 3 where there is none.")
    var once = false

    static func main() async {
        StartupMemory.limit()
        await CommandFrame.run(Self.self)
    }

    func run() async throws {
        OpenFileLimit.raise()
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup, .sigusr1, .sigusr2)
        let options = options
        let daemon = try Daemon { try options.settings() }
        throw ExitCode(try await once ? daemon.runOnce(signals) : daemon.run(signals))
    }
}
