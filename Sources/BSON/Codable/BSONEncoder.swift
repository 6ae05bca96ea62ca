/// Turns `Encodable` values into documents.
///
/// `Int`, `Int64` and unsigned numbers from 32 bits on become int64 (or an error where they do not fit), smaller
/// integers int32. BSON's own types, `Date` (dateTime) and `Data` (binary) are stored as themselves. At most 200
/// levels.
public struct BSONEncoder {
    /// Handed through to the values that are encoded.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    public init() {}

    /// - Throws: `EncodingError`, also for a value that becomes something else than a document.
    public func encode<Value: Encodable>(_ value: Value) throws -> BSONDocument {
        guard case .document(let document) = try encodeValue(value) else {
            throw EncodingError.invalidValue(
                value,
                .init(codingPath: [], debugDescription: "\(Value.self) does not become a document")
            )
        }
        return document
    }

    /// Encodes a value of any kind, such as an array or a number.
    ///
    /// - Throws: `EncodingError`.
    public func encodeValue<Value: Encodable>(_ value: Value) throws -> BSONValue {
        let node = BSONEncodingNode()
        try BSONNodeEncoder(node: node, codingPath: [], userInfo: userInfo).encode(value)
        return try node.value(at: []) ?? .document([:])
    }
}

/// A place in the result. Containers fill it in any order, so it is a reference.
final class BSONEncodingNode {
    private enum Content {
        case nothing
        case value(BSONValue)
        case keyed([(key: String, node: BSONEncodingNode)], places: [ByteString: Int])
        case unkeyed([BSONEncodingNode])
    }

    private var content = Content.nothing

    /// `nil` when nothing was encoded here.
    ///
    /// - Throws: `EncodingError` for keys with NUL characters and for values that nest too deeply.
    func value(at path: [any CodingKey]) throws -> BSONValue? {
        switch content {
        case .nothing: return nil
        case .value(let value): return value
        case .keyed(let members, _):
            try check(depth: path)
            return .document(
                BSONDocument(
                    elements: try members.compactMap { key, node in
                        guard !key.utf8.contains(0) else {
                            throw Self.fault(key, path, "a key cannot hold a NUL character")
                        }
                        return try node.child(at: path, BSONKey(stringValue: key)).map { (key, $0) }
                    }
                )
            )
        case .unkeyed(let nodes):
            try check(depth: path)
            return .array(
                try nodes.enumerated().map { index, node in
                    try node.child(at: path, BSONKey(intValue: index)) ?? .document([:])
                }
            )
        }
    }

    /// Builds the longer path only for containers.
    private func child(at path: [any CodingKey], _ key: @autoclosure () -> BSONKey) throws -> BSONValue? {
        if case .value(let value) = content { return value }
        return try value(at: path + [key()])
    }

    private func check(depth path: [any CodingKey]) throws {
        guard path.count < BSONValidator.maximumDepth else {
            throw Self.fault(self, path, "values nest deeper than \(BSONValidator.maximumDepth) levels")
        }
    }

    private static func fault(_ value: Any, _ path: [any CodingKey], _ message: String) -> EncodingError {
        .invalidValue(value, .init(codingPath: path, debugDescription: message))
    }

    var count: Int { if case .unkeyed(let nodes) = content { nodes.count } else { 0 } }

    func set(_ value: BSONValue) { content = .value(value) }

    /// A second container of the same kind continues the first.
    func beginKeyed() {
        if case .keyed = content { return }
        content = .keyed([], places: [:])
    }

    func beginUnkeyed() {
        if case .unkeyed = content { return }
        content = .unkeyed([])
    }

    func member(_ key: String) -> BSONEncodingNode {
        guard case .keyed(var members, var places) = content else { return BSONEncodingNode() }
        if let place = places[key.bytes] { return members[place].node }
        content = .nothing
        let node = BSONEncodingNode()
        places[key.bytes] = members.count
        members.append((key, node))
        content = .keyed(members, places: places)
        return node
    }

    func appendElement() -> BSONEncodingNode {
        let node = BSONEncodingNode()
        guard case .unkeyed(var nodes) = content else { return node }
        content = .nothing
        nodes.append(node)
        content = .unkeyed(nodes)
        return node
    }
}

/// The encoder of one place; also its single value container.
struct BSONNodeEncoder: Encoder, SingleValueEncodingContainer {
    let node: BSONEncodingNode
    let codingPath: [any CodingKey]
    let sendableUserInfo: [CodingUserInfoKey: any Sendable]
    var userInfo: [CodingUserInfoKey: Any] { sendableUserInfo }

    init(node: BSONEncodingNode, codingPath: [any CodingKey], userInfo: [CodingUserInfoKey: any Sendable]) {
        self.node = node
        self.codingPath = codingPath
        sendableUserInfo = userInfo
    }

    func at(_ node: BSONEncodingNode, _ key: any CodingKey) -> BSONNodeEncoder {
        BSONNodeEncoder(node: node, codingPath: codingPath + [key], userInfo: sendableUserInfo)
    }

    func container<Key: CodingKey>(keyedBy: Key.Type) -> KeyedEncodingContainer<Key> {
        node.beginKeyed()
        return KeyedEncodingContainer(BSONKeyedEncodingContainer(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        node.beginUnkeyed()
        return BSONUnkeyedEncodingContainer(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    func encodeNil() { node.set(.null) }
    func encode(_ value: Bool) { node.set(.bool(value)) }
    func encode(_ value: String) { node.set(.string(value)) }
    func encode(_ value: Double) { node.set(.double(value)) }
    func encode(_ value: Float) { node.set(.double(Double(value))) }
    func encode(_ value: Int) { node.set(.int64(Int64(value))) }
    func encode(_ value: Int8) { node.set(.int32(Int32(value))) }
    func encode(_ value: Int16) { node.set(.int32(Int32(value))) }
    func encode(_ value: Int32) { node.set(.int32(value)) }
    func encode(_ value: Int64) { node.set(.int64(value)) }
    func encode(_ value: UInt8) { node.set(.int32(Int32(value))) }
    func encode(_ value: UInt16) { node.set(.int32(Int32(value))) }
    func encode(_ value: UInt32) { node.set(.int64(Int64(value))) }
    func encode(_ value: UInt) throws { try encode(UInt64(value)) }

    func encode(_ value: UInt64) throws {
        guard let number = Int64(exactly: value) else { throw fault(value, "\(value) does not fit into an int64") }
        node.set(.int64(number))
    }

    func encode<Value: Encodable>(_ value: Value) throws {
        guard let native = value as? any BSONNative else { return try value.encode(to: self) }
        if let expression = value as? BSONRegularExpression {
            guard !expression.pattern.utf8.contains(0), !expression.options.utf8.contains(0) else {
                throw fault(value, "a regular expression cannot hold a NUL character")
            }
        }
        node.set(native.bsonValue)
    }

    func fault(_ value: Any, _ message: String) -> EncodingError {
        .invalidValue(value, .init(codingPath: codingPath, debugDescription: message))
    }
}

struct BSONKeyedEncodingContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: BSONNodeEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }

    /// A NUL in the key is found when the document is put together: not all of these methods can throw.
    private func member(_ key: any CodingKey) -> BSONNodeEncoder {
        encoder.at(encoder.node.member(key.stringValue), key)
    }

    func encodeNil(forKey key: Key) { member(key).encodeNil() }
    func encode(_ value: Bool, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: String, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: Double, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: Float, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: Int, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: Int8, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: Int16, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: Int32, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: Int64, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: UInt, forKey key: Key) throws { try member(key).encode(value) }
    func encode(_ value: UInt8, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: UInt16, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: UInt32, forKey key: Key) { member(key).encode(value) }
    func encode(_ value: UInt64, forKey key: Key) throws { try member(key).encode(value) }
    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws { try member(key).encode(value) }

    func nestedContainer<Nested: CodingKey>(keyedBy: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
        member(key).container(keyedBy: keyedBy)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { member(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { member(BSONKey.super) }
    func superEncoder(forKey key: Key) -> any Encoder { member(key) }
}

struct BSONUnkeyedEncodingContainer: UnkeyedEncodingContainer {
    let encoder: BSONNodeEncoder
    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { encoder.node.count }

    private func element() -> BSONNodeEncoder {
        encoder.at(encoder.node.appendElement(), BSONKey(intValue: count))
    }

    func encodeNil() { element().encodeNil() }
    func encode(_ value: Bool) { element().encode(value) }
    func encode(_ value: String) { element().encode(value) }
    func encode(_ value: Double) { element().encode(value) }
    func encode(_ value: Float) { element().encode(value) }
    func encode(_ value: Int) { element().encode(value) }
    func encode(_ value: Int8) { element().encode(value) }
    func encode(_ value: Int16) { element().encode(value) }
    func encode(_ value: Int32) { element().encode(value) }
    func encode(_ value: Int64) { element().encode(value) }
    func encode(_ value: UInt) throws { try element().encode(value) }
    func encode(_ value: UInt8) { element().encode(value) }
    func encode(_ value: UInt16) { element().encode(value) }
    func encode(_ value: UInt32) { element().encode(value) }
    func encode(_ value: UInt64) throws { try element().encode(value) }
    func encode<Value: Encodable>(_ value: Value) throws { try element().encode(value) }

    func nestedContainer<Nested: CodingKey>(keyedBy: Nested.Type) -> KeyedEncodingContainer<Nested> {
        element().container(keyedBy: keyedBy)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { element().unkeyedContainer() }
    func superEncoder() -> any Encoder { element() }
}
