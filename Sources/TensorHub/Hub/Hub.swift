public import BSON
public import Logging
public import MongoDriver

/// The hub: what a distributor calls to create tasks, to find them, to wait for them and to read their results.
///
/// All calls are about one project of one database. A hub is safe to use from many tasks at once and keeps a small pool
/// of connections until `close()`.
///
/// TensorLayer: `tl.db.TensorHub`.
public final class Hub: Sendable {
    /// The connection, for what this library has no call for.
    public let client: MongoClient
    public let database: MongoDatabase
    public let project: String
    package let logger: Logger
    let clock: ServerClock
    /// How long the calls go on through an election, or without MongoDB; `nil`: not at all.
    public let patience: Patience?
    /// Collections whose indexes this hub has made, and buckets.
    let indexed: IndexMemory
    /// Numbers of tasks that were reserved.
    let numbers: TaskNumbers

    public static let defaultURI = "mongodb://127.0.0.1:27017"
    public static let defaultDatabase = "tensorhub"
    public static let defaultProject = "default"

    init(client: MongoClient, project: String, logger: Logger, patience: Patience?) {
        self.client = client
        self.project = project
        self.logger = logger
        self.patience = patience
        var database = client.database(client.defaultDatabaseName ?? Self.defaultDatabase)
        database.patience = patience
        self.database = database
        var admin = client.database("admin")
        admin.patience = patience
        clock = ServerClock(admin)
        indexed = IndexMemory()
        numbers = TaskNumbers()
    }

    private init(_ hub: Hub, _ lane: MongoClient.Lane) {
        client = hub.client.by(lane)
        project = hub.project
        logger = hub.logger
        patience = hub.patience
        var database = client.database(hub.database.name)
        database.patience = patience
        self.database = database
        clock = hub.clock
        indexed = hub.indexed
        numbers = hub.numbers
    }

    /// The same hub, whose calls go by another lane of the same connections: none of them makes one of this hub's wait.
    /// Each hub of lane `scripts` takes turns with the others.
    package func by(_ lane: MongoClient.Lane) -> Hub { Hub(self, lane) }

    /// Opens a hub and makes sure that the server answers.
    ///
    /// - Parameters:
    ///   - uri: A MongoDB connection string, passed whole to libmongoc; its path names the database, `tensorhub`
    ///     without one.
    ///   - project: Forced into every document and every filter.
    ///   - options: Threads and time-outs; the connection string wins.
    ///   - patience: How long each call goes on through an election, this one too; `nil` for what must be prompt.
    /// - Throws: `HubError.invalidInput` for a malformed connection string or project, `.unreachable` where nothing
    ///   answers.
    public static func connect(
        uri: String = Hub.defaultURI,
        project: String = Hub.defaultProject,
        options: MongoClient.Options = .init(),
        patience: Patience? = Patience(),
        logger: Logger? = nil
    ) async throws(HubError) -> Hub {
        if project.isEmpty { throw .invalid("project", "the project name is empty; leave it out or give it a word") }
        let client: MongoClient
        do {
            client = try MongoClient(uri: uri, options: options, logger: logger)
        } catch {
            throw HubError(.invalidInput, field: "uri", "uri: \(error.description)", underlying: error)
        }
        let hub = Hub(
            client: client,
            project: project,
            logger: logger ?? Logger(label: "tensorhub", factory: { _ in SwiftLogNoOpLogHandler() }),
            patience: patience
        )
        do {
            _ = try await hub.clock.now()
        } catch {
            await client.close()
            throw HubError(error)
        }
        return hub
    }

    /// Opens a hub, lends it, and closes it again.
    public static func withHub<Value>(
        uri: String = Hub.defaultURI,
        project: String = Hub.defaultProject,
        patience: Patience? = Patience(),
        logger: Logger? = nil,
        _ body: (Hub) async throws -> Value
    ) async throws -> Value {
        let hub = try await connect(uri: uri, project: project, patience: patience, logger: logger)
        do {
            let value = try await body(hub)
            await hub.close()
            return value
        } catch {
            await hub.close()
            throw error
        }
    }

    /// Ends the connections; waits for calls under way.
    public func close() async {
        await client.close()
    }

    /// The server's wall clock, estimated to half a round trip.
    public func serverTime() async throws(HubError) -> BSONDateTime {
        try await translatingErrors { () async throws(MongoError) in try await clock.now() }
    }

    /// The server's wall clock as it was last estimated, carried on by a monotonic clock; before the first contact the
    /// machine's own. Never waits for MongoDB: for what is written down while it is away.
    public func estimatedTime() -> BSONDateTime { clock.estimated() }

    /// Collection `Task`, with the guarantees that the state of a task needs: majority, journaled.
    package var tasks: MongoCollection { durable("Task") }

    /// Collection `TaskOutput`, with the same guarantees: the output must be there before the state says that it is.
    package var output: MongoCollection { durable("TaskOutput") }

    /// Collection `Runner`, with the same guarantees: change streams show only what a majority has.
    package var runners: MongoCollection { durable("Runner") }

    /// How long the change streams of a runner wait for an event: an idle runner should not be heard. The driver takes
    /// at most half the socket time-out, 10 s unless the connection string says otherwise.
    static let longAwait: Duration = .seconds(30)

    func durable(_ name: String) -> MongoCollection {
        var collection = database.collection(name)
        collection.writeConcern = .majority
        collection.readsFromPrimary = true
        return collection
    }
}
