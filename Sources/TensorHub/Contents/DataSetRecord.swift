public import BSON

/// A data set as it is stored. The document is the truth; the properties read it.
public struct DataSetRecord: Sendable {
    public var document: BSONDocument

    public init(_ document: BSONDocument) {
        self.document = document
    }

    var hub: BSONDocument { document["hub"]?.documentValue ?? [:] }

    public var id: ObjectID? { document["_id"]?.objectIDValue }
    public var name: String? { document["dataset_name"]?.stringValue }
    /// Counts the data sets of a name from 1; `nil` for one of TensorLayer's.
    public var version: Int? { hub["version"]?.intValue }
    /// For messages: `data set 'digits' version 2`.
    package var label: String { "data set '\(name ?? "")'" + (version.map { " version \($0)" } ?? "") }
    /// `nil` for one of TensorLayer's: a Python pickle.
    public var kind: Content.Kind? { hub["kind"]?.stringValue.flatMap(Content.Kind.init) }
    public var form: String? { hub["form"]?.stringValue }
    /// Of the whole content.
    public var sha256: String? { hub["sha256"]?.stringValue }
    /// Bytes of all files; `nil` for one of TensorLayer's.
    public var size: Int64? { hub["size"]?.intValue.map(Int64.init) }
    public var time: BSONDateTime? { document["time"]?.dateTimeValue }

    /// The attempt that saved it; `nil` for one from outside an attempt.
    public var origin: AttemptID? { AttemptID(hub) }

    /// In order. One of TensorLayer's has a single file without a name; its length is 0 here and its hash unknown.
    public var files: [StoredFile] {
        if let files = hub["files"]?.arrayValue {
            return files.compactMap { $0.documentValue.flatMap(StoredFile.init) }
        }
        guard let blob = document["dataset_id"]?.objectIDValue else { return [] }
        return [StoredFile(path: "data", mode: 0o644, blob: Blob(id: blob, length: 0, sha256: nil))]
    }

    /// What the user has given besides.
    public var tags: BSONDocument {
        BSONDocument(
            elements: document.filter { !Self.reservedNames.contains($0.key.bytes) }.map { ($0.key, $0.value) }
        )
    }

    /// Field names that are ours or TensorLayer's.
    public static let reservedNames: Set<ByteString> = [
        "_id", "project_name", "dataset_name", "dataset_id", "time", "hub",
    ]
}
