/// One value of any BSON type, the deprecated ones included (<https://bsonspec.org/spec.html>).
public enum BSONValue: Sendable, Hashable {
    case double(Double)
    case string(String)
    case document(BSONDocument)
    case array([BSONValue])
    case binary(BSONBinary)
    case undefined
    case objectID(ObjectID)
    case bool(Bool)
    case dateTime(BSONDateTime)
    case null
    case regularExpression(BSONRegularExpression)
    case dbPointer(BSONDBPointer)
    case javaScript(String)
    case symbol(String)
    case javaScriptWithScope(String, BSONDocument)
    case int32(Int32)
    case timestamp(BSONTimestamp)
    case int64(Int64)
    case decimal128(Decimal128)
    case minKey
    case maxKey
}

extension BSONValue {
    /// The BSON type, for messages and `$type` filters.
    public var type: BSONType {
        switch self {
        case .double: .double
        case .string: .string
        case .document: .document
        case .array: .array
        case .binary: .binary
        case .undefined: .undefined
        case .objectID: .objectID
        case .bool: .bool
        case .dateTime: .dateTime
        case .null: .null
        case .regularExpression: .regularExpression
        case .dbPointer: .dbPointer
        case .javaScript: .javaScript
        case .symbol: .symbol
        case .javaScriptWithScope: .javaScriptWithScope
        case .int32: .int32
        case .timestamp: .timestamp
        case .int64: .int64
        case .decimal128: .decimal128
        case .minKey: .minKey
        case .maxKey: .maxKey
        }
    }

    /// The text of a string; `nil` for every other type.
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    /// The document; `nil` for every other type.
    public var documentValue: BSONDocument? { if case .document(let value) = self { value } else { nil } }
    /// The elements of an array; `nil` for every other type.
    public var arrayValue: [BSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The truth value; `nil` for every other type.
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The identifier; `nil` for every other type.
    public var objectIDValue: ObjectID? { if case .objectID(let value) = self { value } else { nil } }
    /// The time; `nil` for every other type.
    public var dateTimeValue: BSONDateTime? { if case .dateTime(let value) = self { value } else { nil } }
    /// The bytes and their subtype; `nil` for every other type.
    public var binaryValue: BSONBinary? { if case .binary(let value) = self { value } else { nil } }

    /// A whole number stored as int32, int64 or an integral double; `nil` for everything else.
    public var intValue: Int? {
        switch self {
        case .int32(let value): Int(value)
        case .int64(let value): Int(value)
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }

    /// A number stored as int32, int64 or double; `nil` for everything else.
    public var doubleValue: Double? {
        switch self {
        case .double(let value): value
        case .int32(let value): Double(value)
        case .int64(let value): Double(value)
        default: nil
        }
    }
}

/// The type byte in front of every BSON element.
public enum BSONType: UInt8, Sendable, Hashable {
    case double = 0x01
    case string = 0x02
    case document = 0x03
    case array = 0x04
    case binary = 0x05
    case undefined = 0x06
    case objectID = 0x07
    case bool = 0x08
    case dateTime = 0x09
    case null = 0x0A
    case regularExpression = 0x0B
    case dbPointer = 0x0C
    case javaScript = 0x0D
    case symbol = 0x0E
    case javaScriptWithScope = 0x0F
    case int32 = 0x10
    case timestamp = 0x11
    case int64 = 0x12
    case decimal128 = 0x13
    case minKey = 0xFF
    case maxKey = 0x7F
}

extension BSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByStringInterpolation
{
    public init(stringLiteral value: String) { self = .string(value) }
    /// An int32 where the number fits, else an int64: what the MongoDB shell and relaxed Extended JSON do.
    public init(integerLiteral value: Int) { self = BSONValue(smallest: value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: BSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, BSONValue)...) {
        self = .document(BSONDocument(elements: elements))
    }

    /// An int32 where the number fits, else an int64.
    public init(smallest value: Int) {
        self = Int32(exactly: value).map(BSONValue.int32) ?? .int64(Int64(value))
    }
}
