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
