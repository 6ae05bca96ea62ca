public import BSON

/// A document that a search has found.
public struct Finding: Sendable {
    /// Words of the HTTP interface, of Python and of `--json`.
    public enum Kind: String, Sendable {
        case task
        case dataSet = "dataset"
        case model
    }

    public var kind: Kind
    /// Without its script and its files.
    public var document: BSONDocument

    /// When it was created, by the server's clock; of a document of another program, perhaps never said.
    public var time: BSONDateTime? { document["time"]?.dateTimeValue }

    /// For programs: `{"kind": "model", "document": {...}}`. A tag may be called `kind` as well, so they stand apart.
    public var json: BSONDocument { ["kind": .string(kind.rawValue), "document": .document(document)] }
}

/// What a search has found.
public struct Findings: Sendable {
    /// The newest first, whatever their kind.
    public var found: [Finding] = []
    /// Whether there are more than were asked for.
    public var hasMore = false
    /// Whether the time ran out before all was looked at: then older ones may be missing.
    public var isCut = false
}
