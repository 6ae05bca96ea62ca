import BSON
import MongoDriver

/// One bucket as a store of contents: each content once, as long as a document refers to it.
///
/// What it adds to a file's document is `metadata {sha256, unique, damaged, pending [{id, time}], condemned {by,
/// time}}`:
/// - `unique`: the hash again, under a unique index, in the one file that further documents may refer to;
/// - `damaged`: since when it is known that the content is not what was stored. It has no `unique` then, ever;
/// - `pending`: documents that are about to be written. While there are any, nobody may delete the file;
/// - `condemned`: somebody has seen no reason to keep the file and counts once more. It has no `unique` then, and no
///   document takes it up. The last who condemns it, decides.
///
/// A writer reserves (`pending`), looks whether all reservations still stand, writes its document, settles. A deleter
/// deletes its document, condemns where nothing is pending, counts references, then deletes or pardons. So whoever
/// condemned has either seen the reservation or sees the document. Each step may be the last one: what it leaves,
/// `collectGarbage` mends.
///
/// While contents are on their way, `<bucket>.uploads {_id: file, started, heartbeat, uploader, dropped}` tells their
/// chunks from abandoned ones, and `{_id: document, saving: true, started, heartbeat, uploader}` the reservations of a
/// document that is being saved.
struct BlobStore: Sendable {
    let hub: Hub
    let bucket: BlobBucket
    let gridFS: GridFSBucket
    /// Acknowledged by the majority: what decides about life and death of a file.
    let files: MongoCollection
    let uploads: MongoCollection

    init(_ bucket: BlobBucket, of hub: Hub) {
        self.hub = hub
        self.bucket = bucket
        var gridFS = hub.database.gridFS(bucket.rawValue)
        gridFS.files.writeConcern = .majority
        // Whether they have come to stay is asked once, for all of them (`confirm`).
        gridFS.chunks.writeConcern = WriteConcern(.members(1))
        self.gridFS = gridFS
        files = gridFS.files
        uploads = hub.durable(bucket.rawValue + ".uploads")
    }

    /// What may refer to a file of the bucket, in any project.
    var references: [(collection: String, fields: [String])] {
        switch bucket {
        case .dataSets: [("Dataset", ["dataset_id", "hub.files.blob"])]
        case .models: [("Model", ["params_id", "hub.files.blob"])]
        case .checkpoints: [("Task", ["hub.checkpoint.files.blob"])]
        }
    }

    /// Creates the indexes, once per hub.
    func ensureIndexes() async throws(HubError) {
        try await hub.ensureIndexes(
            [
                IndexModel(name: "filename_1_uploadDate_1", keys: ["filename": 1, "uploadDate": 1]),
                IndexModel(name: "unique", keys: ["metadata.unique": 1], unique: true, sparse: true),
                IndexModel(name: "length", keys: ["length": 1]),
                IndexModel(name: "pending", keys: ["metadata.pending.time": 1], sparse: true),
            ],
            of: files
        )
        try await hub.ensureIndexes(
            [IndexModel(name: "files_id_1_n_1", keys: ["files_id": 1, "n": 1], unique: true)],
            of: gridFS.chunks
        )
        try await hub.ensureIndexes(
            [
                IndexModel(name: "uploader", keys: ["uploader": 1], sparse: true),
                IndexModel(name: "heartbeat", keys: ["heartbeat": 1]),
            ],
            of: uploads
        )
        for (collection, fields) in references {
            try await hub.ensureIndexes(
                fields.map { IndexModel(name: "blob_" + $0, keys: [$0: 1], sparse: true) },
                of: hub.durable(collection),
                key: "blobs of " + collection
            )
        }
    }

    /// A file of the bucket; `nil` where there is none.
    func file(_ id: ObjectID) async throws(HubError) -> GridFSFile? {
        try await retrying { () async throws(MongoError) in try await gridFS.file(.objectID(id)) }
    }

    static func blob(_ file: GridFSFile) -> Blob? {
        file.id.objectIDValue.map {
            Blob(id: $0, length: file.length, sha256: file.metadata?["sha256"]?.stringValue)
        }
    }

    /// Runs a call that may be repeated, through a moment without MongoDB.
    func retrying<Value>(_ body: () async throws(MongoError) -> Value) async throws(HubError) -> Value {
        try await translatingErrors { () async throws(MongoError) in
            try await MongoError.retrying(for: gridFS.patience, body)
        }
    }

    func lost(_ id: ObjectID) -> HubError {
        HubError(
            .blobLost,
            field: "blob",
            "file \(id) of GridFS bucket \(bucket.rawValue) is gone; store its content again"
        )
    }
}

extension HubError {
    /// Any error of a transfer as one of ours.
    init(transfer error: any Error) {
        switch error {
        case let error as HubError: self = error
        case let error as MongoError where error.code == .corruptFile:
            self.init(.blobLost, field: "blob", "\(error.message); store its content again", underlying: error)
        case let error as MongoError: self.init(error)
        case is CancellationError: self.init(.database, "the transfer was cancelled", underlying: error)
        default: self.init(.invalidInput, field: "content", "the content cannot be read: \(error)", underlying: error)
        }
    }
}
