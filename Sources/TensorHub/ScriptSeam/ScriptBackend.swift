public import BSON

/// What the script API does: `HubAPI` turns requests into these calls. There are two: that of an attempt, which writes
/// to its journal first and never waits for MongoDB, and that of `tensorhub serve`, which writes to MongoDB.
public protocol ScriptBackend: Sendable {
    /// For queries, whose filters are the client's: nothing prompt may share a lane with them.
    var hub: Hub { get }
    /// For the bytes of files.
    var transfers: Hub { get }
    /// For what a distributor writes.
    var writes: Hub { get }
    /// `nil` outside an attempt; then there is no task, no result, no progress and no checkpoint.
    var origin: AttemptOrigin? { get }
    /// Where bodies are put while they arrive, an own folder on a local disk.
    var spoolFolder: String { get }

    /// The task that is being run.
    func task() async throws(HubError) -> BSONDocument
    /// Each may bring its own `_id`; written twice under the same one it is there once.
    func saveLogs(_ kind: LogKind, _ values: [BSONDocument]) async throws(HubError)
    func mergeResults(_ results: BSONDocument) async throws(HubError)
    func report(_ progress: ScriptProgress) async throws(HubError)
    /// Answers at once when the script is to stop, else after that time.
    func control(waiting: Duration) async -> ScriptControl
    /// The checkpoint folder is complete: returns once there is a copy of it on this machine.
    func storeCheckpoint() async throws(HubError)
    /// Takes the files of the content, which are in `spoolFolder`, over.
    ///
    /// - Returns: The document, as it is or as it will be stored.
    func saveDataSet(
        _ content: Content,
        name: String,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument
    func saveModel(
        _ parameters: Content?,
        name: String,
        architecture: BSONDocument,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument
    /// What was written before is in MongoDB when this returns, or MongoDB is away. Called before queries.
    func settle() async
    /// Verified files on this machine's disk, read-only.
    func fetch(_ dataSet: DataSetRecord, shard: Shard?) async throws(HubError) -> LocalContent
    func fetch(_ model: ModelRecord) async throws(HubError) -> LocalContent
}

extension ScriptBackend {
    public var transfers: Hub { hub }
    public var writes: Hub { hub }
}

/// How far a script says that it is.
public struct ScriptProgress: Sendable, Hashable {
    /// From 0 to 1.
    public var fraction: Double?
    public var message: String?

    public init(fraction: Double?, message: String?) {
        self.fraction = fraction
        self.message = message
    }
}

/// Whether a script is to stop.
public struct ScriptControl: Sendable, Hashable {
    public var stop: Bool
    /// `cancelled`, `drain`, `lease-lost`, `outage`; `nil` while it may run on.
    public var reason: String?
    /// How long until SIGKILL.
    public var remaining: Duration?

    public init(stop: Bool = false, reason: String? = nil, remaining: Duration? = nil) {
        self.stop = stop
        self.reason = reason
        self.remaining = remaining
    }
}

/// Files of a data set or model on this machine.
public struct LocalContent: Sendable, Hashable {
    public struct File: Sendable, Hashable {
        /// As in `StoredFile`.
        public var path: String
        /// Absolute.
        public var localPath: String

        public init(path: String, localPath: String) {
            self.path = path
            self.localPath = localPath
        }
    }

    /// The folder that has all of them below it, under their own paths.
    public var folder: String
    public var files: [File]

    public init(folder: String, files: [File]) {
        self.folder = folder
        self.files = files
    }
}

/// Makes a backend reachable for scripts: `HubAPI` has one, a runner uses it without knowing HTTP.
public protocol ScriptServer: Sendable {
    /// Serves on a Unix socket that is made with mode 0600 (an old file of that name is replaced), until `stop()`.
    ///
    /// - Parameter token: What requests must show: `Authorization: Bearer ...`; `nil` asks for none.
    func serve(_ backend: any ScriptBackend, socketPath: String, token: String?) async throws -> any ScriptService
}

/// A server that runs.
public protocol ScriptService: Sendable {
    /// Answers what it has begun to answer, then ends.
    func stop() async
}
