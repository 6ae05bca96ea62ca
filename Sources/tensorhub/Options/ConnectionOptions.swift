import ArgumentParser
import BSON
import Console
import MongoDriver
import Settings
import TensorHub

/// Where MongoDB is and which project is meant, the same for every verb.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "MongoDB's connection string; its path names the database.",
            discussion: "Else TENSORHUB_URI, then the configuration files, then mongodb://127.0.0.1:27017.",
            valueName: "uri"
        )
    )
    var uri: String?

    @Option(
        help: "The project (else TENSORHUB_PROJECT, the configuration files, default).",
        completion: Completion.projects
    )
    var project: String?

    @Option(help: "A configuration file to read instead of the user's and the system's.", completion: .file())
    var config: String?

    /// How long a command looks for a server that answers: a person is waiting.
    static let serverSelectionTimeout: Duration = .milliseconds(2500)

    func settings() throws(SettingsError) -> Settings {
        var flags: [ByteString: [String]] = [:]
        if let uri { flags["uri"] = [uri] }
        if let project { flags["project"] = [project] }
        return try Settings(.ofProcess(flags: flags, configFile: config))
    }

    /// Opens the hub. It is never closed: the process ends, which takes no time.
    ///
    /// - Parameters:
    ///   - threads: How many calls may be under way at once; below three, contents move over one connection.
    ///   - queries: How many queries of clients of an own server, beside these.
    func hub(threads: Int = 4, queries: Int = 1) async throws -> Hub {
        let settings = try settings()
        var options = MongoClient.Options()
        options.threads = threads
        options.scripts.threads = queries
        options.scripts.share = queries
        options.scripts.maxOpenChangeStreams = options.maxOpenChangeStreams
        options.serverSelectionTimeout = Self.serverSelectionTimeout
        do {
            return try await Hub.connect(
                uri: settings.uri,
                project: settings.project,
                options: options,
                patience: Patience(onTrouble: { Outage.tellOnce($0) })
            )
        } catch {
            guard error.code == .unreachable else { throw error }
            let origin = (settings.origins["uri"] ?? settings.origins["uri-file"]).map { "\($0)" } ?? "the default"
            let facts = (error.underlying as? MongoError)?.message ?? error.message
            throw CommandFailure(
                ExitStatus.unreachable,
                "\(facts) (the address is from \(origin)); start mongod there, start a private one with "
                    + "`tensorhub dev`, or name another with --uri or TENSORHUB_URI"
            )
        }
    }
}
