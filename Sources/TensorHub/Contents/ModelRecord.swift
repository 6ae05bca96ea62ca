public import BSON

/// A model as it is stored. The document is the truth; the properties read it.
public struct ModelRecord: Sendable {
    public var document: BSONDocument

    public init(_ document: BSONDocument) {
        self.document = document
    }

    var hub: BSONDocument { document["hub"]?.documentValue ?? [:] }

    public var id: ObjectID? { document["_id"]?.objectIDValue }
    public var name: String? { document["model_name"]?.stringValue }
    /// Counts the models of a name from 1; `nil` for one of TensorLayer's.
    public var version: Int? { hub["version"]?.intValue }
    /// For messages: `model 'digits' version 2`.
    package var label: String { "model '\(name ?? "")'" + (version.map { " version \($0)" } ?? "") }
    public var kind: Content.Kind? { hub["kind"]?.stringValue.flatMap(Content.Kind.init) }
    public var form: String? { hub["form"]?.stringValue }
    public var sha256: String? { hub["sha256"]?.stringValue }
    /// Bytes of all files; `nil` for one of TensorLayer's.
    public var size: Int64? { hub["size"]?.intValue.map(Int64.init) }
    public var time: BSONDateTime? { document["time"]?.dateTimeValue }
    public var architecture: BSONDocument? { document["architecture"]?.documentValue }

    /// The parameters; empty where only the architecture was saved.
    public var files: [StoredFile] {
        if let files = hub["files"]?.arrayValue {
            return files.compactMap { $0.documentValue.flatMap(StoredFile.init) }
        }
        guard let blob = document["params_id"]?.objectIDValue else { return [] }
        return [StoredFile(path: "parameters", mode: 0o644, blob: Blob(id: blob, length: 0, sha256: nil))]
    }

    /// What an attempt made it from; `nil` for one that was saved outside an attempt.
    public var lineage: Lineage? { AttemptID(hub).map { Lineage(origin: $0, dataSets: sources) } }

    /// The data sets that it was made from.
    public var sources: [Lineage.DataSet] {
        (hub["data_sets"]?.arrayValue ?? []).compactMap { value -> Lineage.DataSet? in
            guard let document = value.documentValue, let id = document["id"]?.objectIDValue else { return nil }
            return Lineage.DataSet(
                id: id,
                name: document["name"]?.stringValue ?? "",
                version: document["version"]?.intValue,
                sha256: document["sha256"]?.stringValue
            )
        }
    }

    /// Metrics and whatever else the user has given.
    public var tags: BSONDocument {
        BSONDocument(
            elements: document.filter { !Self.reservedNames.contains($0.key.bytes) }.map { ($0.key, $0.value) }
        )
    }

    /// Field names that are ours or TensorLayer's.
    public static let reservedNames: Set<ByteString> = [
        "_id", "project_name", "model_name", "architecture", "params_id", "time", "hub",
    ]
}
