import BSON
public import Glibc
public import Logging
import MongoDriver

/// A private mongod: a replica set of one member, because change streams and majority reads need one. It listens on the
/// loopback address alone and dies with this process, even when that is killed.
public final class LocalMongoServer: Sendable {
    /// The connection string, with the name of the replica set.
    public let uri: String
    public let port: Int
    public let dataDirectory: String

    private let process: MongodProcess

    private init(uri: String, port: Int, dataDirectory: String, process: MongodProcess) {
        self.uri = uri
        self.port = port
        self.dataDirectory = dataDirectory
        self.process = process
    }

    public var pid: pid_t { process.pid }

    /// Whether the process has not ended.
    public var isRunning: Bool { process.status == nil }

    /// How long a mongod may take until it is a writable primary; replaying the journal of a crash takes time.
    public static let startLimit = Duration.seconds(60)

    /// Starts a mongod and waits until it takes writes.
    ///
    /// - Parameters:
    ///   - dataDirectory: Made when it is not there. One that was used before is taken over with its data.
    ///   - mongodPath: `nil` for ``findMongod()``.
    ///   - port: `nil` for a free one.
    ///   - preferredPort: Taken instead of any free one where nobody listens on it.
    ///   - isStandalone: Whether it is no replica set, and so has neither change streams nor retryable writes.
    ///   - cacheSize: GiB of memory for the storage engine.
    ///   - login: `user:password`, percent-encoded, of an administrator, where the server asks for one.
    ///   - extraArguments: Further arguments of mongod, as `--setParameter enableTestCommands=1`.
    public static func start(
        dataDirectory: String,
        mongodPath: String? = nil,
        port: Int? = nil,
        preferredPort: Int? = nil,
        isStandalone: Bool = false,
        cacheSize: Double = 0.25,
        login: String? = nil,
        extraArguments: [String] = [],
        logger: Logger? = nil
    ) async throws -> LocalMongoServer {
        let path = try mongodPath ?? findMongod()
        try makeDirectory(dataDirectory)
        try checkLock(dataDirectory)
        // Another program may take a free port between our look and mongod's bind: then look again.
        var attempt = 0
        while true {
            attempt += 1
            let preferred = attempt == 1 ? preferredPort.flatMap { boundPort($0) } : nil
            let chosen = try port ?? preferred ?? freePort()
            let process = try await MongodProcess.start(
                arguments(path, dataDirectory: dataDirectory, port: chosen, cacheSize: cacheSize)
                    + (isStandalone ? [] : ["--replSet", replicaSet]) + extraArguments
            )
            do {
                try await makePrimary(chosen, login, process: process, dataDirectory: dataDirectory, logger: logger)
                return LocalMongoServer(
                    uri:
                        "mongodb://127.0.0.1:\(chosen)/\(isStandalone ? "?directConnection=true" : "?replicaSet=\(replicaSet)")",
                    port: chosen,
                    dataDirectory: dataDirectory,
                    process: process
                )
            } catch {
                await end(process, within: .zero)
                let isPortTaken = lastFault(dataDirectory).contains("Address already in use")
                guard port == nil, isPortTaken, attempt < 5 else { throw error }
            }
        }
    }

    /// Ends the server in order, and kills it when it takes longer than the limit. The data stays.
    public func stop(within limit: Duration = .seconds(20)) async {
        await Self.end(process, within: limit)
    }

    /// Kills the server as a crash would: nothing is flushed.
    public func kill() async {
        await Self.end(process, within: .zero)
    }

    private static func end(_ process: MongodProcess, within limit: Duration) async {
        if limit > .zero {
            process.signal(SIGTERM)
            if await process.waitForEnd(within: limit) { return }
        }
        process.signal(SIGKILL)
        _ = await process.waitForEnd(within: .seconds(60))
    }

    static let replicaSet = "tensorhub"

    private static func arguments(_ path: String, dataDirectory: String, port: Int, cacheSize: Double) -> [String] {
        [
            path, "--dbpath", dataDirectory, "--port", String(port), "--bind_ip", "127.0.0.1",
            "--logpath", logPath(dataDirectory), "--logappend", "--quiet",
            "--wiredTigerCacheSizeGB", String(cacheSize), "--oplogSize", "256", "--nounixsocket",
            "--setParameter", "diagnosticDataCollectionEnabled=false",
        ]
    }

    static func logPath(_ dataDirectory: String) -> String { "\(dataDirectory)/mongod.log" }
}
