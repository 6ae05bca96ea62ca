import ArgumentParser
import BSON
import Console
import Glibc
import LocalMongo
import Logging
import Settings
import TaskRunner
import UnixSignals

struct Dev: AsyncParsableCommand, HandlesSignals {
    static let configuration = CommandConfiguration(
        abstract: "Start a private MongoDB and a runner, for as long as this command runs.",
        discussion: """
            Writes the connection string to standard output; other shells use it as
            TENSORHUB_URI. The data stays in the user's data folder
            ($XDG_DATA_HOME/tensorhub/dev) for the next time. Scripts run with this
            shell's PATH, so that an activated Python environment is theirs too.

            With a command behind `--`: runs it with TENSORHUB_URI and TENSORHUB_PROJECT
            set and with this tensorhub first in PATH, takes everything down when it ends,
            and ends with its status.

            Ctrl-C stops the scripts with grace (their tasks go back to pending) and takes
            everything down; a second one stops them at once.

            Examples:
              tensorhub dev --slots 4
              tensorhub dev -- ./sweep.sh
            """
    )

    @Option(help: "How many tasks run at once (else TENSORHUB_SLOTS, the configuration files, 1).")
    var slots: Int?

    @Option(help: "The folder for the data.", completion: .directory)
    var data: String?

    @Option(help: "The port of MongoDB on the loopback address; that of the last time unless given, or a free one.")
    var port: Int?

    @Option(help: "The project (else TENSORHUB_PROJECT, the configuration files, default).")
    var project: String?

    @Option(help: "A configuration file to read instead of the user's and the system's.", completion: .file())
    var config: String?

    @Option(help: "How much is logged: trace, debug, info, notice, warning or error.")
    var logLevel: String?

    @Argument(parsing: .postTerminator, help: "A command to run, behind --.")
    var command: [String] = []

    func run() async throws {
        var flags: [ByteString: [String]] = [:]
        if let slots { flags["slots"] = ["\(slots)"] }
        if let project { flags["project"] = [project] }
        if let logLevel { flags["log-level"] = [logLevel] }
        let settings = try Settings(.ofProcess(flags: flags, configFile: config))
        if let port, !(1...65_535).contains(port) {
            throw CommandFailure.badInput("--port is \(port); it must be from 1 to 65535")
        }
        let folder = try data.map(Self.absolute) ?? settings.dataDirectory + "/dev"
        // A command's own words matter more than a log of every attempt.
        let isLogGiven = settings.origins["log-level"] != nil
        let level = command.isEmpty || isLogGiven ? settings.logLevel : "warning"
        let session = DevSession(
            settings: settings,
            folder: folder,
            port: port,
            command: command,
            logger: StandardErrorLog.logger(label: "tensorhub", level: Logger.Level(rawValue: level) ?? .info)
        )
        throw ExitCode(try await session.run())
    }

    private static func absolute(_ path: String) throws(CommandFailure) -> String {
        if path.isEmpty { throw .badInput("--data is empty; give a folder or leave it out") }
        if path.bytes.hasPrefix("/") { return path }
        guard let folder = getcwd(nil, 0) else {
            throw .badInput("--data: there is no current directory; give an absolute path")
        }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }
}
