#if canImport(FoundationEssentials)
    public import FoundationEssentials
#endif

/// Types that `BSONEncoder` stores as themselves instead of asking them to take themselves apart.
protocol BSONNative {
    var bsonValue: BSONValue { get }
    /// `nil` where the value is of another type.
    init?(bsonValue: BSONValue)
}

extension BSONValue: BSONNative {
    var bsonValue: BSONValue { self }
    init(bsonValue: BSONValue) { self = bsonValue }
}

extension BSONDocument: BSONNative {
    var bsonValue: BSONValue { .document(self) }
    init?(bsonValue: BSONValue) {
        guard case .document(let document) = bsonValue else { return nil }
        self = document
    }
}

extension ObjectID: BSONNative {
    var bsonValue: BSONValue { .objectID(self) }
    init?(bsonValue: BSONValue) {
        guard case .objectID(let id) = bsonValue else { return nil }
        self = id
    }
}

extension BSONDateTime: BSONNative {
    var bsonValue: BSONValue { .dateTime(self) }
    init?(bsonValue: BSONValue) {
        guard case .dateTime(let time) = bsonValue else { return nil }
        self = time
    }
}

extension BSONBinary: BSONNative {
    var bsonValue: BSONValue { .binary(self) }
    init?(bsonValue: BSONValue) {
        guard case .binary(let binary) = bsonValue else { return nil }
        self = binary
    }
}

extension BSONRegularExpression: BSONNative {
    var bsonValue: BSONValue { .regularExpression(self) }
    init?(bsonValue: BSONValue) {
        guard case .regularExpression(let expression) = bsonValue else { return nil }
        self = expression
    }
}

extension BSONDBPointer: BSONNative {
    var bsonValue: BSONValue { .dbPointer(self) }
    init?(bsonValue: BSONValue) {
        guard case .dbPointer(let pointer) = bsonValue else { return nil }
        self = pointer
    }
}

extension BSONTimestamp: BSONNative {
    var bsonValue: BSONValue { .timestamp(self) }
    init?(bsonValue: BSONValue) {
        guard case .timestamp(let time) = bsonValue else { return nil }
        self = time
    }
}

extension Decimal128: BSONNative {
    var bsonValue: BSONValue { .decimal128(self) }
    init?(bsonValue: BSONValue) {
        guard case .decimal128(let number) = bsonValue else { return nil }
        self = number
    }
}

#if canImport(FoundationEssentials)
    extension Date: BSONNative {
        var bsonValue: BSONValue { .dateTime(BSONDateTime(self)) }
        init?(bsonValue: BSONValue) {
            guard case .dateTime(let time) = bsonValue else { return nil }
            self.init(time)
        }

        /// The same point in time.
        public init(_ time: BSONDateTime) {
            self.init(timeIntervalSince1970: Double(time.millisecondsSince1970) / 1000)
        }
    }

    extension BSONDateTime {
        /// Rounds to the nearest millisecond; times that do not fit become the first or the last that does.
        public init(_ date: Date) {
            let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
            self.init(millisecondsSince1970: Int64(exactly: milliseconds) ?? (milliseconds < 0 ? .min : .max))
        }
    }

    extension Data: BSONNative {
        var bsonValue: BSONValue { .binary(BSONBinary(bytes: Array(self))) }
        init?(bsonValue: BSONValue) {
            guard case .binary(let binary) = bsonValue else { return nil }
            self.init(binary.bytes)
        }
    }
#endif

/// A coding key for an element of an array, or one made up on the way.
struct BSONKey: CodingKey {
    var stringValue: String
    var intValue: Int?

    init(stringValue: String) { self.stringValue = stringValue }

    init(intValue: Int) {
        stringValue = String(intValue)
        self.intValue = intValue
    }

    static let `super` = BSONKey(stringValue: "super")
}
