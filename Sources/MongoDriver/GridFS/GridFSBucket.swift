public import BSON
import CLibMongoC

/// A GridFS bucket: files cut into chunks, as every driver reads and writes them
/// (<https://github.com/mongodb/specifications/blob/master/source/gridfs/gridfs-spec.md>).
///
/// Contents move in messages of some MiB over two connections at once, and pass through memory that does not grow with
/// them. A connection that breaks is gone on from where it broke for as long as `patience` says.
public struct GridFSBucket: Sendable {
    public let name: String
    /// `<name>.files`: one document for each file.
    public var files: MongoCollection
    /// `<name>.chunks`.
    public var chunks: MongoCollection
    /// How long a transfer goes on without progress while MongoDB is away.
    public var patience: Duration = .seconds(20)

    /// Bytes, 255 KiB: a chunk and what belongs to it fit into a power of two.
    public static let defaultChunkSize = 261_120

    /// Bytes of content in one message up: what an upload holds is a few of them.
    static let messageSize = 8 * defaultChunkSize
    /// Bytes of content in one message down: smaller, so that what is written and hashed is still in the processor's
    /// cache.
    static let replySize = 4 * defaultChunkSize
    /// Messages under way at once.
    static let lanes = 2
    /// Messages of one download that are held at once: two on the way, and what came before its turn to be digested.
    static let window = 4
    /// Messages down that go over one connection before others have their turn.
    static let run = 32

    let core: ClientCore

    init(name: String, database: MongoDatabase) {
        self.name = name
        core = database.core
        if let limit = database.patience?.limit { patience = limit }
        files = database.collection(name + ".files")
        chunks = database.collection(name + ".chunks")
        // What was just written must be seen, whatever read preference the URI names.
        files.readsFromPrimary = true
        chunks.readsFromPrimary = true
    }

    /// The indexes of the specification: without the one of chunks a download scans all files.
    public func createIndexes() async throws(MongoError) {
        try await files.createIndexes([
            IndexModel(name: "filename_1_uploadDate_1", keys: ["filename": 1, "uploadDate": 1])
        ])
        try await chunks.createIndexes([
            IndexModel(name: "files_id_1_n_1", keys: ["files_id": 1, "n": 1], unique: true)
        ])
    }

    /// What the bucket says of a file; `nil` where there is none.
    public func file(_ id: BSONValue) async throws(MongoError) -> GridFSFile? {
        try await files.findOne(["_id": id]).map(GridFSFile.init)
    }

    /// Deletes a file: its document first, so that nobody finds half a file.
    ///
    /// - Returns: Whether it was there.
    @discardableResult
    public func delete(_ id: BSONValue) async throws(MongoError) -> Bool {
        let count = try await files.deleteOne(["_id": id])
        try await deleteChunks(of: id)
        return count > 0
    }

    /// Deletes the chunks alone, piece by piece so that none of the statements runs into a time-out.
    ///
    /// - Returns: How many.
    @discardableResult
    public func deleteChunks(of id: BSONValue) async throws(MongoError) -> Int {
        var total = 0
        let piece = 2000
        while true {
            let options = FindOptions(sort: ["n": 1], projection: ["_id": 0, "n": 1], limit: 1, skip: piece)
            let next = try await MongoError.retrying(for: patience) { () throws(MongoError) in
                try await chunks.findOne(["files_id": id], options)
            }
            var filter: BSONDocument = ["files_id": id]
            if let bound = next?["n"] { filter.append("n", ["$lt": bound]) }
            total += try await MongoError.retrying(for: patience) { [filter] () throws(MongoError) in
                try await chunks.deleteMany(filter)
            }
            if next == nil { return total }
        }
    }

    /// Counts the chunks of a file in the index alone.
    package func countChunks(of id: BSONValue) async throws(MongoError) -> Int {
        try await chunks.countDocuments(["files_id": id])
    }
}

extension MongoDatabase {
    /// A GridFS bucket; nothing is sent.
    public func gridFS(_ name: String) -> GridFSBucket {
        GridFSBucket(name: name, database: self)
    }
}

extension MongoError {
    /// Repeats a call that may be repeated, with growing pauses, until it has failed for `patience` without success.
    package static func retrying<Value>(
        for patience: Duration,
        _ body: () async throws(MongoError) -> Value
    ) async throws(MongoError) -> Value {
        let clock = ContinuousClock()
        let deadline = clock.now + patience
        var pause = Duration.milliseconds(20)
        while true {
            do throws(MongoError) {
                return try await body()
            } catch {
                guard error.isRetryable, clock.now + pause < deadline, !Task.isCancelled else { throw error }
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(2))
        }
    }
}
