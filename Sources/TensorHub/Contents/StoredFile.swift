package import BSON

/// A file of a data set, of a model or of a checkpoint as it is stored: `{path, mode, size, sha256, blob}`.
public struct StoredFile: Sendable, Hashable {
    /// Relative, with `/` between the parts and no `..`.
    public var path: String
    /// Permission bits, such as 0o644.
    public var mode: Int32
    public var blob: Blob

    public init(path: String, mode: Int32, blob: Blob) {
        self.path = path
        self.mode = mode
        self.blob = blob
    }

    package init?(_ document: BSONDocument) {
        guard let path = document["path"]?.stringValue, let id = document["blob"]?.objectIDValue else { return nil }
        self.init(
            path: path,
            mode: document["mode"]?.intValue.flatMap { Int32(exactly: $0) } ?? 0o644,
            blob: Blob(
                id: id,
                length: Int64(document["size"]?.intValue ?? 0),
                sha256: document["sha256"]?.stringValue
            )
        )
    }

    package var document: BSONDocument {
        [
            "path": .string(path), "mode": .int32(mode), "size": .int64(blob.length),
            "sha256": blob.sha256.map(BSONValue.string) ?? .null, "blob": .objectID(blob.id),
        ]
    }
}
