public import BSON
import Files
import Glibc
import MongoDriver
import Synchronization
public import TensorHub
import Threads

/// The backend of `tensorhub serve`: writes to MongoDB, and has no attempt.
public final class DirectBackend: ScriptBackend, UnusedRemoval {
    public let hub: Hub
    public let transfers: Hub
    public let writes: Hub
    public var unused: (any UnusedRemoval)? { self }
    public var spoolFolder: String { folder.spool }

    private let folder: ServeFolder
    private let cache: ContentCache
    /// What was fetched already, and is there under the same paths for whoever asks again.
    private let fetched = Mutex<[ByteString: Fetched]>([:])
    private let next = Atomic(0)

    /// - Parameter cache: On the file system of the folder, so that its files need not be copied.
    package init(hub: Hub, folder: ServeFolder, cache: ContentCache) {
        self.hub = hub.by(.scripts)
        transfers = hub.by(.transport)
        writes = hub
        self.folder = folder
        self.cache = cache
    }

    // MARK: Writing

    public func saveLogs(_ kind: LogKind, _ values: [BSONDocument]) async throws(HubError) {
        try await writes.saveLogs(kind, values)
    }

    public func saveDataSet(
        _ content: Content,
        name: String,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument {
        let record = try await transfers.saveDataSet(content, name: name, tags: tags, id: id)
        await remove(content)
        return record.document
    }

    public func saveModel(
        _ parameters: Content?,
        name: String,
        architecture: BSONDocument,
        tags: BSONDocument,
        id: ObjectID
    ) async throws(HubError) -> BSONDocument {
        let record = try await transfers.saveModel(
            parameters,
            name: name,
            architecture: architecture,
            tags: tags,
            id: id
        )
        if let parameters { await remove(parameters) }
        return record.document
    }

    /// The bytes are in MongoDB.
    private func remove(_ content: Content) async {
        let paths = content.files.compactMap { if case .file(let path) = $0.source { path } else { nil } }
        await BlockingThread.run(name: "spool") { for path in paths { FolderTree.remove(path) } }
    }

    // MARK: Reading

    public func fetch(_ dataSet: DataSetRecord, shard: Shard?) async throws(HubError) -> LocalContent {
        let key: ByteString =
            "\(dataSet.id.map { "\($0)" } ?? "-").\(shard.map { "\($0.index)of\($0.count)" } ?? "all")"
        return try await fetch(try shard?.files(of: dataSet.files) ?? dataSet.files, in: .dataSets, key: key)
    }

    public func fetch(_ model: ModelRecord) async throws(HubError) -> LocalContent {
        try await fetch(model.files, in: .models, key: "\(model.id.map { "\($0)" } ?? "-").model")
    }

    private func fetch(_ files: [StoredFile], in bucket: BlobBucket, key: ByteString) async throws(HubError)
        -> LocalContent
    {
        let known = fetched.withLock { fetched in
            fetched[key]?.used = .now
            return fetched[key]?.content
        }
        if let known {
            if known.files.allSatisfy({ access($0.localPath, R_OK) == 0 }) { return known }
            fetched.withLock { if $0[key]?.content.folder == known.folder { $0[key] = nil } }
        }
        // Of two that come at once each gets links of its own; what they lead to is downloaded once.
        let number = next.wrappingAdd(1, ordering: .relaxed).newValue
        let content = try await cache.fetch(files, in: bucket, of: transfers, to: "\(folder.links)/\(number)")
        let size = content.files.reduce(0) { $0 + ($1.size ?? 0) }
        fetched.withLock { fetched in
            let key: ByteString = fetched[key] == nil ? key : "\(key).\(number)"
            fetched[key] = Fetched(content: content, size: size, used: .now)
        }
        return content
    }

    private struct Fetched {
        var content: LocalContent
        /// Bytes.
        var size: Int64
        /// When it was last asked for.
        var used: ContinuousClock.Instant
    }

    /// Where all links together hold more bytes than the cache may, removes those that nobody has asked for in a while,
    /// the oldest first: what the cache gives up would stay on the disk by them. Blocks.
    public func removeUnused(for limit: Duration) {
        let old = fetched.withLock { fetched in
            var total = fetched.values.reduce(0) { $0 + $1.size }
            var folders: [String] = []
            for (key, link) in fetched.sorted(by: { $0.value.used < $1.value.used }) {
                guard total > cache.limit, ContinuousClock.now - link.used > limit else { break }
                total -= link.size
                fetched[key] = nil
                folders.append(link.content.folder)
            }
            return folders
        }
        for folder in old { FolderTree.remove(folder) }
    }
}
