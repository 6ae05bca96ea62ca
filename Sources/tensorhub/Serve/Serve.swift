import ArgumentParser
import BSON
import Console
import Logging
import Settings
import TensorHub

struct Serve: AsyncParsableCommand, HandlesSignals {
    static let configuration = CommandConfiguration(
        abstract: "Serve data sets, models, logs and tasks over HTTP to programs in any language.",
        discussion: """
            Writes a line of JSON to standard output when it is ready: {"socket": ...} or
            {"url": ..., "token_file": ...}; {"error": ...} where MongoDB does not let
            its user in. Every request over TCP has to show the token:
            Authorization: Bearer TOKEN. A Unix socket is for its user alone and needs none.
            /v1/openapi.json describes the interface.

            Ctrl-C or SIGTERM ends it once the requests under way are answered.

            Examples:
              tensorhub serve --socket /run/user/1000/tensorhub
              tensorhub serve --listen 127.0.0.1:8321 --token-file ~/.tensorhub-token
              curl --unix-socket /run/user/1000/tensorhub http://hub/v1/datasets
            """
    )

    @Option(
        help: "The path of a Unix socket to serve on; a socket that nobody listens on is replaced.",
        completion: .file()
    )
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "The address and port to serve on; port 0 takes a free one.",
            discussion: "Other than loopback addresses only with TLS.",
            valueName: "host:port"
        )
    )
    var listen: String?

    @Option(
        help: ArgumentHelp(
            "The file of the token, mode 0600; made where there is none.",
            discussion: "Else `serve-token` in the state directory.",
            valueName: "file"
        ),
        completion: .file()
    )
    var tokenFile: String?

    @Option(help: "A certificate chain in PEM form; serves https.", completion: .file())
    var tlsCertificate: String?

    @Option(help: "The private key to it in PEM form.", completion: .file())
    var tlsKey: String?

    @Flag(help: "End when standard input closes, and with the process that has started this one.")
    var untilStdinCloses = false

    @Option(help: "How much is logged: trace, debug, info, notice, warning or error.")
    var logLevel: String?

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if (socket == nil) == (listen == nil) {
            throw ValidationError("give either --socket or --listen; neither or both does not say where to serve")
        }
        if (tlsCertificate == nil) != (tlsKey == nil) {
            throw ValidationError("--tls-certificate and --tls-key belong together; give both or neither")
        }
        if socket != nil, tlsCertificate != nil || tokenFile != nil {
            throw ValidationError("--token-file and --tls-certificate are for --listen; a socket is for its user alone")
        }
    }

    func run() async throws {
        let settings = try connection.settings()
        let place: ServeSession.Place
        if let listen {
            place = .tcp(
                try ListenAddress(listen, allowsAny: tlsCertificate != nil),
                tokenFile: tokenFile ?? settings.stateDirectory + "/serve-token"
            )
        } else {
            place = .socket(socket ?? "")
        }
        let session = ServeSession(
            place: place,
            tls: try tlsCertificate.map { try ServeTLS(certificate: $0, key: tlsKey ?? "") },
            stateDirectory: settings.stateDirectory,
            cacheLimit: Int64(settings.cacheLimit),
            endsWithStandardInput: untilStdinCloses,
            logger: StandardErrorLog.logger(
                label: "tensorhub",
                level: .init(rawValue: logLevel ?? "warning") ?? .warning
            )
        )
        do {
            // The signals are held from before the first thing that would have to be taken down.
            try await session.run {
                try await connection.hub(threads: ServeSession.databaseThreads, queries: ServeSession.queries)
            }
        } catch let error as HubError where error.code == .forbidden {
            // For the program that has started it.
            let facts: BSONDocument = ["error": ["code": "forbidden", "message": .string(error.message)]]
            StandardOutput.line(facts.extendedJSON())
            throw error
        }
    }
}
