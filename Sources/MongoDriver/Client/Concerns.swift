public import BSON

/// When a write counts as done.
public struct WriteConcern: Sendable, Hashable {
    public enum Acknowledgement: Sendable, Hashable {
        /// Most of the voting members have it: it survives the loss of the primary.
        case majority
        /// That many members have it.
        case members(Int)
        /// As the replica set's configuration defines that name.
        case named(String)
    }

    public var acknowledgement: Acknowledgement
    /// Whether it must be in the journal on disk; `nil` for the server's default.
    public var journal: Bool?
    /// How long the server waits; then the outcome is unknown. `nil` for the client's `writeConcernTimeout`.
    public var timeout: Duration?

    public init(_ acknowledgement: Acknowledgement, journal: Bool? = nil, timeout: Duration? = nil) {
        self.acknowledgement = acknowledgement
        self.journal = journal
        self.timeout = timeout
    }

    /// On most of the members and in their journals.
    public static let majority = WriteConcern(.majority, journal: true)

    func document(timeout fallback: Duration) -> BSONDocument {
        var document = BSONDocument()
        switch acknowledgement {
        case .majority: document.append("w", "majority")
        case .members(let count): document.append("w", .int32(Int32(clamping: count)))
        case .named(let name): document.append("w", .string(name))
        }
        if let journal { document.append("j", .bool(journal)) }
        document.append("wtimeout", .int32((timeout ?? fallback).milliseconds32))
        return document
    }
}

/// Which data a read may see.
public struct ReadConcern: Sendable, Hashable {
    public var level: String

    public init(level: String) { self.level = level }

    /// Whatever the server has; it may be rolled back.
    public static let local = ReadConcern(level: "local")
    /// What most of the members have acknowledged.
    public static let majority = ReadConcern(level: "majority")
    /// All that was acknowledged before the read began; it waits for the majority.
    public static let linearizable = ReadConcern(level: "linearizable")

    var document: BSONDocument { ["level": .string(level)] }
}

/// An index to use, by its name or by its keys.
public enum IndexHint: Sendable, Hashable, ExpressibleByStringLiteral {
    case name(String)
    case keys(BSONDocument)

    public init(stringLiteral value: String) { self = .name(value) }

    var value: BSONValue {
        switch self {
        case .name(let name): .string(name)
        case .keys(let keys): .document(keys)
        }
    }
}
