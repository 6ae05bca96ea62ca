public import BSON

/// An entry of a log: values of the user's under names of the user's, with the project and the time.
public struct LogEntry: Sendable {
    public var document: BSONDocument

    public init(_ document: BSONDocument) {
        self.document = document
    }

    public var id: ObjectID? { document["_id"]?.objectIDValue }
    public var time: BSONDateTime? { document["time"]?.dateTimeValue }
    /// The attempt that wrote it; `nil` for one of another program, or from outside an attempt.
    public var origin: AttemptID? { document["hub"]?.documentValue.flatMap(AttemptID.init) }
    /// What the user has given.
    public var values: BSONDocument {
        BSONDocument(
            elements: document.filter { !Self.reservedNames.contains($0.key.bytes) }.map { ($0.key, $0.value) }
        )
    }

    /// Field names that are ours or TensorLayer's.
    public static let reservedNames: Set<ByteString> = ["_id", "project_name", "time", "hub"]
}
