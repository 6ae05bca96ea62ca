public import BSON

/// A file in GridFS.
public struct Blob: Sendable, Hashable {
    /// `_id` in the bucket's `files`.
    public var id: ObjectID
    /// Bytes.
    public var length: Int64
    /// 64 hexadecimal digits; `nil` for a file of another program, which has stored none.
    public var sha256: String?

    public init(id: ObjectID, length: Int64, sha256: String?) {
        self.id = id
        self.length = length
        self.sha256 = sha256
    }
}

/// The GridFS buckets of a database; the first two are TensorLayer's.
public enum BlobBucket: String, Sendable, CaseIterable {
    case dataSets = "datasetFilesystem"
    case models = "modelfs"
    /// Checkpoints of tasks between their attempts.
    case checkpoints = "checkpointfs"
}

/// Bytes to be stored.
public enum BlobSource: Sendable {
    /// A file of this machine, read piece by piece.
    case file(String)
    case bytes([UInt8])
    /// Whatever comes, piece by piece, in memory that does not grow with it.
    case stream(AsyncThrowingStream<[UInt8], any Error>)
}
