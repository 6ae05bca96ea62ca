import BSON
import Console
import Glibc
import HubAPI
import LocalMongo
import Logging
import MongoDriver
import Settings
import Synchronization
import TaskRunner
import TensorHub
import UnixSignals

/// One run of `tensorhub dev`: MongoDB, then a runner, then perhaps a command; taken down in the opposite order.
final class DevSession: Sendable {
    private struct State {
        var runner: Runner?
        var child: ChildProcess?
        /// How many signals asked to stop.
        var stops = 0
    }

    private let settings: Settings
    private let folder: String
    private let port: Int?
    private let command: [String]
    private let logger: Logger
    private let state = Mutex(State())

    init(settings: Settings, folder: String, port: Int?, command: [String], logger: Logger) {
        self.settings = settings
        self.folder = folder
        self.port = port
        self.command = command
        self.logger = logger
    }

    /// - Returns: The exit status: that of the command, else what the signal asks for.
    func run() async throws -> Int32 {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        return try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask { try await self.serve() }
            group.addTask {
                for await signal in signals {
                    if !self.stop(signal) { return Self.status(of: signal) }
                }
                return nil
            }
            // Either everything is down, or a signal came before there was anything to take down in order; a mongod
            // that is just starting then ends by cancellation.
            let status = try await group.next() ?? nil
            group.cancelAll()
            while (try? await group.next()) != nil {}
            return status ?? ExitStatus.done
        }
    }

    // MARK: Up and down

    private func serve() async throws -> Int32 {
        let server = try await startServer()
        let result = await Result { try await work(server) }
        await server.stop()
        return try result.get()
    }

    private func startServer() async throws -> LocalMongoServer {
        let directory = folder + "/mongodb"
        do {
            return try await LocalMongoServer.start(
                dataDirectory: directory,
                port: port,
                preferredPort: lastURI.flatMap(Self.port(of:)),
                logger: logger
            )
        } catch let error as LocalMongoError {
            // The second one may have been quicker than our look at the lock.
            guard error.code == .directoryInUse || !LocalMongoServer.isFree(directory) else { throw error }
            let address = lastURI.map { "; it is at \($0)" } ?? ""
            throw CommandFailure.failure(
                "another `tensorhub dev` works on \(folder)\(address); use that one, stop it, or give another folder with --data"
            )
        }
    }

    private var uriFile: String { folder + "/uri" }

    /// That of the server which works on the folder, or of the last one that did.
    private var lastURI: String? {
        let bytes = try? InputFile(uriFile, role: "uri").bytes
        return bytes.map { String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self) }
    }

    private static func port(of uri: String) -> Int? {
        uri.bytes.cut(atLast: ":").flatMap { Int($0.behind.prefix { $0.isNumber }) }
    }

    private func work(_ server: LocalMongoServer) async throws -> Int32 {
        try TextFile.write(server.uri + "\n", to: uriFile)
        // The driver's own news, such as connections that end, would only distract.
        var quiet = logger
        quiet.logLevel = max(.warning, logger.logLevel)
        let hub = try await Hub.connect(uri: server.uri, project: settings.project, logger: quiet)
        var options = try RunnerOptions(settings)
        options.stateDirectory = folder + "/runner"
        options.python = options.python ?? Self.activeEnvironment
        // There is no other machine, and whoever tries things here looks at them.
        options.pausesAfter = nil
        options.scriptServer = APIServer(logger: quiet)
        let runner = try Runner(hub: hub, options: options, logger: logger)
        state.withLock { $0.runner = runner }
        announce(server, slots: options.slots)
        return try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask {
                try await runner.run()
                return nil
            }
            group.addTask { try await Self.watch(server) }
            if !command.isEmpty {
                let environment = childEnvironment(server.uri)
                // A signal that came before it exists is not lost on it.
                let child = try state.withLock { state in
                    if state.stops == 0 { state.child = try ChildProcess.start(command, environment: environment) }
                    return state.child
                }
                if let child { group.addTask { await child.wait() } }
            }
            // The command's end, the runner's after a signal, or MongoDB's.
            let result = await Result { try await group.next() ?? nil }
            group.cancelAll()
            while (try? await group.next()) != nil {}
            return try result.get() ?? stopStatus
        }
    }

    private var stopStatus: Int32 { state.withLock { $0.stops } > 0 ? ExitStatus.interrupted : ExitStatus.done }

    /// A MongoDB that dies takes everything with it: nobody starts it again.
    private static func watch(_ server: LocalMongoServer) async throws -> Int32? {
        while server.isRunning { try await Task.sleep(for: .seconds(1)) }
        throw CommandFailure.failure("MongoDB ended; its log is \(server.dataDirectory)/mongod.log")
    }

    private func announce(_ server: LocalMongoServer, slots: Int) {
        guard command.isEmpty else { return }
        StandardOutput.line(server.uri)
        StandardError.line(
            """
            tensorhub: a private MongoDB and a runner with \(counted(slots, "slot")) are up; the data is in \(folder)
            tensorhub: in another shell: export TENSORHUB_URI='\(server.uri)'
            tensorhub: Ctrl-C takes everything down
            """
        )
    }

    /// The Python environment that this shell has activated, whatever its kind.
    private static var activeEnvironment: String? {
        let environment = SettingsInputs.ofProcess().environment
        return environment["VIRTUAL_ENV"] ?? environment["CONDA_PREFIX"]
    }

    private func childEnvironment(_ uri: String) -> [ByteString: String] {
        var environment = SettingsInputs.ofProcess().environment
        environment["TENSORHUB_URI"] = uri
        environment["TENSORHUB_URI_FILE"] = nil
        environment["TENSORHUB_PROJECT"] = settings.project
        if let folder = ChildProcess.executableFolder {
            environment["PATH"] = environment["PATH"].map { "\(folder):\($0)" } ?? folder
        }
        return environment
    }

    // MARK: Signals

    private static func status(of signal: UnixSignal) -> Int32 { 128 + signal.rawValue }

    /// - Returns: `false` where there is nothing yet that could be taken down in order.
    private func stop(_ signal: UnixSignal) -> Bool {
        let (runner, child, stops) = state.withLock { state in
            state.stops += 1
            return (state.runner, state.child, state.stops)
        }
        guard let runner else { return false }
        if let child {
            // A terminal sends Ctrl-C to the command too; it decides what that means.
            switch stops {
            case 1 where signal == .sigint && StandardInput.isTerminal: break
            case 1: child.signal(signal.rawValue)
            case 2: child.signal(SIGTERM)
            default: child.signal(SIGKILL)
            }
            return true
        }
        if stops == 1 { runner.escalate() }
        StandardError.line("tensorhub: " + runner.escalate().words(next: "Ctrl-C again"))
        return true
    }
}
