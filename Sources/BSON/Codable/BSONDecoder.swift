/// Makes `Decodable` values of documents.
///
/// A number may be stored as int32, int64 or double as long as nothing is lost: 3.0 is an `Int`, 3.5 is not.
/// `[UInt8]` reads from a binary too.
public struct BSONDecoder {
    /// Handed through to the values that are decoded.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    public init() {}

    /// - Throws: `DecodingError` with the path to the fault.
    public func decode<Value: Decodable>(_ type: Value.Type, from document: BSONDocument) throws -> Value {
        try decodeValue(type, from: .document(document))
    }

    /// Decodes a value of any kind, such as an array or a number.
    ///
    /// - Throws: `DecodingError` with the path to the fault.
    public func decodeValue<Value: Decodable>(_ type: Value.Type, from value: BSONValue) throws -> Value {
        try BSONValueDecoder(value: value, codingPath: [], userInfo: userInfo).decode(type)
    }
}

/// The decoder of one value; also its single value container.
struct BSONValueDecoder: Decoder, SingleValueDecodingContainer {
    let value: BSONValue
    let codingPath: [any CodingKey]
    let sendableUserInfo: [CodingUserInfoKey: any Sendable]
    var userInfo: [CodingUserInfoKey: Any] { sendableUserInfo }

    init(value: BSONValue, codingPath: [any CodingKey], userInfo: [CodingUserInfoKey: any Sendable]) {
        self.value = value
        self.codingPath = codingPath
        sendableUserInfo = userInfo
    }

    func at(_ value: BSONValue, _ key: any CodingKey) -> BSONValueDecoder {
        BSONValueDecoder(value: value, codingPath: codingPath + [key], userInfo: sendableUserInfo)
    }

    func container<Key: CodingKey>(keyedBy: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard case .document(let document) = value else { throw mismatch(BSONDocument.self) }
        return KeyedDecodingContainer(BSONKeyedDecodingContainer(decoder: self, document: document))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .array(let values) = value else { throw mismatch([BSONValue].self) }
        return BSONUnkeyedDecodingContainer(decoder: self, values: values)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { value == .null || value == .undefined }
    func decode(_ type: Bool.Type) throws -> Bool {
        guard case .bool(let flag) = value else { throw mismatch(type) }
        return flag
    }

    func decode(_ type: String.Type) throws -> String {
        switch value {
        case .string(let text), .symbol(let text): return text
        default: throw mismatch(type)
        }
    }

    func decode(_ type: Double.Type) throws -> Double {
        switch value {
        case .double(let number): return number
        case .int32(let number): return Double(number)
        case .int64(let number):
            guard let double = Double(exactly: number) else { throw inexact(type) }
            return double
        default: throw mismatch(type)
        }
    }

    /// Rounds a double, as every decoder does, but no integer.
    func decode(_ type: Float.Type) throws -> Float {
        if case .double(let number) = value { return Float(number) }
        guard let number = Float(exactly: try decode(Double.self)) else { throw inexact(type) }
        return number
    }

    func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

    private func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) throws -> Integer {
        let number: Integer?
        switch value {
        case .int32(let value): number = Integer(exactly: value)
        case .int64(let value): number = Integer(exactly: value)
        case .double(let value): number = Integer(exactly: value)
        default: throw mismatch(type)
        }
        guard let number else { throw inexact(type) }
        return number
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if let native = type as? any BSONNative.Type {
            guard let value = native.init(bsonValue: value) as? Value else { throw mismatch(type) }
            return value
        }
        if type == [UInt8].self, case .binary(let binary) = value, let bytes = binary.bytes as? Value { return bytes }
        return try Value(from: self)
    }

    private func mismatch(_ type: Any.Type) -> DecodingError {
        let context = DecodingError.Context(
            codingPath: codingPath,
            debugDescription: "expected \(type), found a value of type \(value.type)"
        )
        return decodeNil() ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }

    private func inexact(_ type: Any.Type) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath, debugDescription: "\(value) is not exactly a value of \(type)"))
    }
}

struct BSONKeyedDecodingContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let decoder: BSONValueDecoder
    private let scanner: BSONScanner
    /// Found once, so that a document of many keys is not walked for each of them.
    private let elements: [ByteString: BSONScanner.Element]
    private let order: [String]

    var codingPath: [any CodingKey] { decoder.codingPath }
    var allKeys: [Key] { order.compactMap { Key(stringValue: $0) } }

    init(decoder: BSONValueDecoder, document: BSONDocument) {
        self.decoder = decoder
        scanner = BSONScanner(document.bytes)
        var walk = scanner
        var elements: [ByteString: BSONScanner.Element] = [:]
        var order: [String] = []
        while let element = walk.next() {
            let key = walk.key(of: element)
            guard elements[key.bytes] == nil else { continue }
            elements[key.bytes] = element
            order.append(key)
        }
        self.elements = elements
        self.order = order
    }

    private func member(_ key: any CodingKey) throws -> BSONValueDecoder {
        guard let element = elements[key.stringValue.bytes] else {
            throw DecodingError.keyNotFound(
                key,
                .init(codingPath: codingPath, debugDescription: "there is no element '\(key.stringValue)'")
            )
        }
        return decoder.at(scanner.value(of: element), key)
    }

    func contains(_ key: Key) -> Bool { elements[key.stringValue.bytes] != nil }

    func decodeNil(forKey key: Key) throws -> Bool {
        let type = elements[key.stringValue.bytes]?.type
        guard type != nil else { return try member(key).decodeNil() }
        return type == .null || type == .undefined
    }

    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try member(key).decode(type) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try member(key).decode(type) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try member(key).decode(type) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try member(key).decode(type) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try member(key).decode(type) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try member(key).decode(type) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try member(key).decode(type) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try member(key).decode(type) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try member(key).decode(type) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try member(key).decode(type) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try member(key).decode(type) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try member(key).decode(type) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try member(key).decode(type) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try member(key).decode(type) }
    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try member(key).decode(type) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try member(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try member(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try superDecoder(BSONKey.super) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try superDecoder(key) }

    /// A missing element counts as null here, by the rules of `Decoder`.
    private func superDecoder(_ key: any CodingKey) throws -> any Decoder {
        elements[key.stringValue.bytes] == nil ? decoder.at(.null, key) : try member(key)
    }
}

struct BSONUnkeyedDecodingContainer: UnkeyedDecodingContainer {
    private let decoder: BSONValueDecoder
    private let values: [BSONValue]
    private(set) var currentIndex = 0

    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { values.count }
    var isAtEnd: Bool { currentIndex >= values.count }

    init(decoder: BSONValueDecoder, values: [BSONValue]) {
        self.decoder = decoder
        self.values = values
    }

    /// Moves on only where `body` succeeds.
    private mutating func next<Result>(
        _ type: Any.Type,
        _ body: (BSONValueDecoder) throws -> Result
    ) throws -> Result {
        let key = BSONKey(intValue: currentIndex)
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                type,
                .init(codingPath: codingPath + [key], debugDescription: "the array has \(values.count) elements")
            )
        }
        let result = try body(decoder.at(values[currentIndex], key))
        currentIndex += 1
        return result
    }

    mutating func decodeNil() throws -> Bool {
        guard try next(Never?.self, { $0.decodeNil() }) else {
            currentIndex -= 1
            return false
        }
        return true
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: String.Type) throws -> String { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Double.Type) throws -> Double { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Float.Type) throws -> Float { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int.Type) throws -> Int { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next(type) { try $0.decode(type) } }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next(type) { try $0.decode(type) } }
    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try next(type) { try $0.decode(type) }
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        try next(type) { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try next([BSONValue].self) { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder { try next((any Decoder).self) { $0 } }
}
