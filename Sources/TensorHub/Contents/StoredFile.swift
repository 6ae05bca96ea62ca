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

/// A file that is to be stored.
public struct SourceFile: Sendable {
    /// Its name in the data set or model: relative, with `/` between the parts.
    public var path: String
    public var mode: Int32
    public var source: BlobSource
    /// Where it is known already; 64 hexadecimal digits.
    public var sha256: String?

    public init(path: String, mode: Int32 = 0o644, source: BlobSource, sha256: String? = nil) {
        self.path = path
        self.mode = mode
        self.source = source
        self.sha256 = sha256
    }
}

/// What a data set or the parameters of a model consist of: files in an order that matters, since a shard is every
/// n-th.
public struct Content: Sendable {
    public enum Kind: String, Sendable {
        /// One file.
        case file
        /// Files under their paths.
        case folder
        /// Named arrays: `.npy` or `.npz` files, in pieces along the first axis where there are several.
        case arrays
    }

    public var kind: Kind
    /// Whoever chooses others than were found answers for them.
    public var files: [SourceFile] { didSet { reading = nil } }
    /// How a client puts the arrays together again: `array`, `tuple`, `list`, `dict`, `pickle`, ... Not for us to read.
    public var form: String?

    public init(kind: Kind, files: [SourceFile], form: String? = nil) {
        self.kind = kind
        self.files = files
        self.form = form
    }

    /// Where it was found on this machine; `nil` for what does not lie there.
    struct Reading: Sendable {
        /// A file or a folder.
        var path: String
        /// Looks once more. Blocks.
        var again: @Sendable () throws(HubError) -> Content
    }

    var reading: Reading?
}

/// One of n equal parts of a data set: the files number `index`, `index + count`, ... from 0.
public struct Shard: Sendable, Hashable {
    public var index: Int
    public var count: Int

    public init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }
}
