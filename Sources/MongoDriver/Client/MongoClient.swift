public import Logging
import Threads

/// A connection to one MongoDB deployment, for any number of tasks at once.
///
/// Making one sends nothing; the first call connects. `close()` waits for what runs. A client that nobody holds any
/// more disconnects by itself; its databases, collections, cursors and streams hold it.
public final class MongoClient: Sendable {
    /// How a client behaves where its URI does not say it: the URI wins.
    public struct Options: Sendable {
        /// What the server's log and `currentOp` show as the program's name.
        public var applicationName = "tensorhub"
        /// How many calls are under way at once in each lane but that of scripts; further ones wait. `maxPoolSize` of
        /// the URI lowers it.
        public var threads = 4
        /// How long a call looks for a suitable server before it fails as ``MongoError/Code/unreachable``.
        public var serverSelectionTimeout = Duration.seconds(5)
        /// How long a call waits for bytes of an answer before it fails as ``MongoError/Code/network``.
        public var socketTimeout = Duration.seconds(20)
        /// How long the server waits for a write concern that names none itself.
        public var writeConcernTimeout = Duration.seconds(10)
        /// How many cursors may be open; each holds a connection. A further one waits for `serverSelectionTimeout`.
        public var maxOpenCursors = 32
        /// How many change streams may be open; each holds a connection and a thread.
        public var maxOpenChangeStreams = 32
        /// What the queries of scripts may take.
        public var scripts = ScriptLimits()

        public init() {}
    }

    let core: ClientCore

    private init(core: ClientCore) {
        self.core = core
    }

    /// The same connections by another lane. Each value of lane `scripts` is a party of its own: parties take turns.
    package func by(_ lane: Lane) -> MongoClient {
        MongoClient(core: ClientCore(core.connections, lane))
    }

    /// The calls under way and those that wait, by lane.
    package var load: [(lane: Lane, running: Int, waiting: Int)] {
        core.connections.lanes.map { lane in
            let load = lane.threads.load
            return (lane.lane, load.running, load.waiting)
        }
    }

    /// - Parameters:
    ///   - uri: A connection string, passed to libmongoc whole: SRV names, TLS, authentication, replica sets.
    ///   - logger: Receives libmongoc's log lines. They are the process's, so the last client's logger gets all.
    /// - Throws: ``MongoError/Code/invalidURI`` with the fault, never with the password.
    public init(uri: String, options: Options = .init(), logger: Logger? = nil) throws(MongoError) {
        core = ClientCore(try Connections(uri: uri, options: options, logger: logger))
    }

    /// The database in the path of the URI.
    public var defaultDatabaseName: String? { core.connections.defaultDatabaseName }

    /// The URI without passwords, for logs and messages.
    public var redactedURI: String { core.connections.redactedURI }

    /// A database; nothing is sent, and a name that cannot be fails at the first call.
    public func database(_ name: String) -> MongoDatabase {
        MongoDatabase(name: name, core: core)
    }

    /// Refuses further calls, ends change streams and cursors, waits for running calls and disconnects. A change stream
    /// may take its `maxAwaitTime` to end, and libmongoc takes up to half a second to end its monitors: a program that
    /// ends anyway need not close.
    public func close() async {
        await core.connections.close()
    }

    /// Runs what blocks for a moment, as reading a piece of a file, on one of the client's threads.
    package func work<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await core.work { Result(catching: body) }.get()
    }

    /// Runs what takes long, as syncing a large file, beside the client's threads. See ``BulkThreads``.
    package func bulk<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await core.connections.bulk.run(body)
    }
}
