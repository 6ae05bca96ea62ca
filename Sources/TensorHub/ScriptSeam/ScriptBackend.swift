public import BSON

/// What the API does for whoever asks: `HubAPI` turns requests into these calls. There are two: that of an attempt,
/// which writes to its journal first and never waits for MongoDB, and that of `tensorhub serve`, which writes to
/// MongoDB. What only one of them can do is an ability that the other does not have.
public protocol ScriptBackend: Sendable {
    /// For queries, whose filters are the client's: nothing prompt may share a lane with them.
    var hub: Hub { get }
    /// For the bytes of files.
    var transfers: Hub { get }
    /// For what a distributor writes.
    var writes: Hub { get }
    /// `nil` outside of an attempt; then there is no task, no result, no progress and no checkpoint.
    var attempt: (any ScriptAttempt)? { get }
    /// `nil` where all that was put on the disk goes with the attempt.
    var unused: (any UnusedRemoval)? { get }
    /// Where bodies are put while they arrive, an own folder on a local disk.
    var spoolFolder: String { get }

    /// Each may bring its own `_id`; written twice under the same one it is there once.
    func saveLogs(_ kind: LogKind, _ values: [BSONDocument]) async throws(HubError)
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
    public var attempt: (any ScriptAttempt)? { nil }
    public var unused: (any UnusedRemoval)? { nil }
    public func settle() async {}
}
