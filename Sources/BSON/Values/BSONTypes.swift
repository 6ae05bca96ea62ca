/// Bytes with a subtype; subtype 0 is plain data.
public struct BSONBinary: Sendable, Hashable {
    public var subtype: UInt8
    public var bytes: [UInt8]

    public init(subtype: UInt8 = 0, bytes: [UInt8]) {
        self.subtype = subtype
        self.bytes = bytes
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted; may be negative.
public struct BSONDateTime: Sendable, Hashable, Comparable {
    public var millisecondsSince1970: Int64

    public init(millisecondsSince1970: Int64) {
        self.millisecondsSince1970 = millisecondsSince1970
    }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.millisecondsSince1970 < rhs.millisecondsSince1970 }
}

/// A pattern and its options, letters in alphabetical order; the server compiles it (PCRE).
public struct BSONRegularExpression: Sendable, Hashable {
    public var pattern: String
    public var options: String

    /// Sorts the options, as the specification demands.
    public init(pattern: String, options: String = "") {
        self.pattern = pattern
        self.options = String(options.sorted())
    }

    public static func == (one: Self, other: Self) -> Bool {
        one.pattern.bytes == other.pattern.bytes && one.options.bytes == other.options.bytes
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(pattern.bytes)
        hasher.combine(options.bytes)
    }
}

/// A reference to a document of another collection. Deprecated: kept so that old documents survive a round trip.
public struct BSONDBPointer: Sendable, Hashable {
    public var reference: String
    public var id: ObjectID

    public init(reference: String, id: ObjectID) {
        self.reference = reference
        self.id = id
    }

    public static func == (one: Self, other: Self) -> Bool {
        one.reference.bytes == other.reference.bytes && one.id == other.id
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(reference.bytes)
        hasher.combine(id)
    }
}

/// The server's internal time stamp: seconds since 1970 and an ordinal within that second.
public struct BSONTimestamp: Sendable, Hashable {
    public var seconds: UInt32
    public var increment: UInt32

    public init(seconds: UInt32, increment: UInt32) {
        self.seconds = seconds
        self.increment = increment
    }
}

/// An IEEE 754-2008 decimal floating point number of 128 bits, kept bit for bit.
public struct Decimal128: Sendable, Hashable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}
