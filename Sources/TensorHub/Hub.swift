public import BSON
public import Logging
public import MongoDriver
import Synchronization

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
    /// Collections whose indexes this hub has made, and buckets.
    private let indexed = Mutex(KnownIndexes())

    public static let defaultURI = "mongodb://127.0.0.1:27017"
    public static let defaultDatabase = "tensorhub"
    public static let defaultProject = "default"

    init(client: MongoClient, project: String, logger: Logger) {
        self.client = client
        self.project = project
        self.logger = logger
        database = client.database(client.defaultDatabaseName ?? Self.defaultDatabase)
        clock = ServerClock(client.database("admin"))
    }

    /// Opens a hub and makes sure that the server answers.
    ///
    /// - Parameters:
    ///   - uri: A MongoDB connection string, passed whole to libmongoc; its path names the database, `tensorhub` without one.
    ///   - project: Forced into every document and every filter.
    ///   - options: Threads and time-outs; the connection string wins.
    /// - Throws: `HubError.invalidInput` for a malformed connection string or project, `.unreachable` where nothing answers.
    public static func connect(
        uri: String = Hub.defaultURI,
        project: String = Hub.defaultProject,
        options: MongoClient.Options = .init(),
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
            logger: logger ?? Logger(label: "tensorhub", factory: { _ in SwiftLogNoOpLogHandler() })
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
        logger: Logger? = nil,
        _ body: (Hub) async throws -> Value
    ) async throws -> Value {
        let hub = try await connect(uri: uri, project: project, logger: logger)
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

    /// How long the change streams of a runner wait for an event: an idle runner should not be heard. The driver takes at
    /// most half the socket time-out, 10 s unless the connection string says otherwise.
    static let longAwait: Duration = .seconds(30)

    func durable(_ name: String) -> MongoCollection {
        var collection = database.collection(name)
        collection.writeConcern = .majority
        collection.readsFromPrimary = true
        return collection
    }

    /// Creates the indexes, once per hub. Statements that change or wait for tasks call it.
    ///
    /// An index that the server refuses (a document of somebody else's has arrays in two of its fields, the user may not)
    /// makes things slower, not wrong: it is logged. So does one that takes longer than a call may: the server goes on with
    /// it, and it is looked for again later.
    ///
    /// - Throws: Where MongoDB cannot be reached.
    package func ensureIndexes() async throws(HubError) {
        try await ensureIndexes(TaskIndexes.tasks, of: tasks)
        // Without it a chunk may be stored twice: readers leave out the second.
        try await ensureIndexes(TaskIndexes.output, of: output, mustBeUnique: false)
    }

    /// The same for one collection.
    ///
    /// - Parameters:
    ///   - key: What these indexes are remembered by; the collection's name unless given.
    ///   - mustBeUnique: Whether the caller relies on what the unique ones among them promise, as that a version is given once.
    /// - Throws: Also where a unique index is relied upon and cannot be made.
    func ensureIndexes(
        _ indexes: [IndexModel],
        of collection: MongoCollection,
        key: String? = nil,
        mustBeUnique: Bool = true
    ) async throws(HubError) {
        let key = key ?? collection.name
        let isStrict = mustBeUnique && indexes.contains(where: \.unique)
        let now = ContinuousClock.now
        if indexed.withLock({ $0.suffices(for: key, isStrict, now) }) { return }
        do {
            let isComplete = try await create(indexes, of: collection, isStrict)
            indexed.withLock { $0.note(key, isComplete: isComplete, now) }
        } catch {
            guard !isStrict, error.code == .network || error.code == .writeConcern else { throw HubError(error) }
            logger.notice(
                "Indexes are not ready yet; what needs them will be slow",
                metadata: ["collection": "\(collection.name)", "error": "\(error)"]
            )
            indexed.withLock { $0.note(key, isComplete: false, now) }
        }
    }

    /// Returns whether all unique ones are there.
    private func create(
        _ indexes: [IndexModel],
        of collection: MongoCollection,
        _ isStrict: Bool
    ) async throws(MongoError) -> Bool {
        do {
            try await collection.createIndexes(indexes)
            return true
        } catch {
            if error.isRetryable { throw error }
        }
        var isComplete = true
        for index in indexes {
            do {
                try await collection.createIndexes([index])
            } catch {
                if error.isRetryable { throw error }
                if index.unique, try await has(index, collection) { continue }
                if index.unique, isStrict {
                    var error = error
                    error.message =
                        "the unique index '\(index.name)' of collection \(collection.name) cannot be created, and without it "
                        + "documents may be stored twice: \(error.message)"
                    throw error
                }
                if index.unique { isComplete = false }
                logger.warning(
                    "Cannot create an index; what needs it will be slow",
                    metadata: ["index": "\(collection.name).\(index.name)", "error": "\(error)"]
                )
            }
        }
        return isComplete
    }

    /// Whether an administrator has made the same index under another name, or the user merely may not make it again.
    private func has(_ index: IndexModel, _ collection: MongoCollection) async throws(MongoError) -> Bool {
        do {
            return try await collection.listIndexes().contains {
                $0["key"]?.documentValue.map { Self.haveSameKeys($0, index.keys) } == true && $0["unique"] == true
                    && $0["partialFilterExpression"]?.documentValue == index.partialFilter
            }
        } catch {
            if error.isRetryable { throw error }
            return false
        }
    }

    /// A direction may be stored as a number of any type.
    private static func haveSameKeys(_ one: BSONDocument, _ other: BSONDocument) -> Bool {
        one.keys == other.keys && one.keys.allSatisfy { one[$0]?.doubleValue == other[$0]?.doubleValue }
    }
}

/// Which indexes a hub knows to be there.
private struct KnownIndexes {
    private var complete: Set<String> = []
    /// Those that are slow or lack a unique one, and when that was seen.
    private var incomplete: [String: ContinuousClock.Instant] = [:]

    /// Whoever needs them for speed alone asks for what is missing once a minute.
    private static let patience: Duration = .seconds(60)

    func suffices(for key: String, _ isStrict: Bool, _ now: ContinuousClock.Instant) -> Bool {
        if complete.contains(key) { return true }
        return !isStrict && incomplete[key].map { now - $0 < Self.patience } == true
    }

    mutating func note(_ key: String, isComplete: Bool, _ now: ContinuousClock.Instant) {
        if isComplete { complete.insert(key) }
        incomplete[key] = isComplete ? nil : now
    }
}
