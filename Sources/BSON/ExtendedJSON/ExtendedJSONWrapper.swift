/// The keys that make an object stand for a value of another type.
enum Wrapper: String, CaseIterable {
    case objectID = "$oid"
    case symbol = "$symbol"
    case int32 = "$numberInt"
    case int64 = "$numberLong"
    case double = "$numberDouble"
    case decimal128 = "$numberDecimal"
    case binary = "$binary"
    case uuid = "$uuid"
    case code = "$code"
    /// Only beside `$code`.
    case scope = "$scope"
    case timestamp = "$timestamp"
    case regularExpression = "$regularExpression"
    case dbPointer = "$dbPointer"
    case date = "$date"
    case minKey = "$minKey"
    case maxKey = "$maxKey"
    case undefined = "$undefined"

    init?(_ key: ArraySlice<UInt8>) {
        // `$regularExpression` is the longest; this keeps most keys from becoming a string.
        guard (4...18).contains(key.count) else { return nil }
        self.init(named: String(decoding: key, as: UTF8.self))
    }

    /// By bytes: for `String` a Kelvin sign is a K.
    init?(named key: String) {
        guard let wrapper = Wrapper(rawValue: key), wrapper.rawValue.bytes == key.bytes else { return nil }
        self = wrapper
    }
}

/// What the members of an object that begins with a wrapper's key mean.
enum WrappedValue {
    case value(BSONValue)
    case wrong(String)

    /// `nil` for an ordinary document.
    static func interpret(_ members: [(key: String, value: BSONValue)]) -> WrappedValue? {
        if members.contains(where: { $0.key == Wrapper.code.rawValue }) { return code(members) }
        guard let first = members.first, let wrapper = Wrapper(named: first.key), wrapper != .scope else {
            let stray = members.first { Wrapper(named: $0.key).map { $0 != .scope } ?? false }
            return stray.map { .wrong("\($0.key) cannot stand beside other keys") }
        }
        guard members.count == 1 else { return .wrong("\(first.key) cannot stand beside other keys") }
        guard let value = wrapper.value(first.value) else {
            return .wrong("\(first.key) needs \(wrapper.expectation)")
        }
        return .value(value)
    }

    private static func code(_ members: [(key: String, value: BSONValue)]) -> WrappedValue {
        guard let code = members.first(where: { $0.key == Wrapper.code.rawValue })?.value.stringValue else {
            return .wrong("$code needs a text")
        }
        guard members.count > 1 else { return .value(.javaScript(code)) }
        guard members.count == 2, let scope = members.first(where: { $0.key == Wrapper.scope.rawValue }) else {
            return .wrong("$code can stand beside $scope only")
        }
        guard let scope = scope.value.documentValue else { return .wrong("$scope needs a document") }
        return .value(.javaScriptWithScope(code, scope))
    }
}

extension Wrapper {
    fileprivate var expectation: String {
        switch self {
        case .objectID: "24 hexadecimal digits in a text"
        case .symbol, .code: "a text"
        case .scope: "a document"
        case .int32: "an integer of 32 bits in a text"
        case .int64: "an integer of 64 bits in a text"
        case .double: "a number that a double holds, NaN, Infinity or -Infinity in a text"
        case .decimal128: "a decimal number of at most 34 digits in a text"
        case .binary: "the texts base64 and subType, and nothing else"
        case .uuid: "a text of 8-4-4-4-12 hexadecimal digits"
        case .timestamp: "the numbers t and i from 0 to 4294967295, and nothing else"
        case .regularExpression: "the texts pattern and options without NUL characters, and nothing else"
        case .dbPointer: "$ref and $id, and nothing else"
        case .date: #"an ISO-8601 time or {"$numberLong": "…"}"#
        case .minKey, .maxKey: "the number 1"
        case .undefined: "true"
        }
    }

    /// `nil` where the inner value does not fit.
    fileprivate func value(_ inner: BSONValue) -> BSONValue? {
        switch self {
        case .objectID: return inner.stringValue.flatMap { ObjectID($0) }.map { .objectID($0) }
        case .symbol: return inner.stringValue.map { .symbol($0) }
        case .int32: return inner.stringValue.flatMap { Int32($0) }.map { .int32($0) }
        case .int64: return inner.stringValue.flatMap { Int64($0) }.map { .int64($0) }
        case .double: return inner.stringValue.flatMap(Self.double).map { .double($0) }
        case .decimal128: return inner.stringValue.flatMap { Decimal128($0) }.map { .decimal128($0) }
        case .binary: return Self.binary(inner).map { .binary($0) }
        case .uuid: return inner.stringValue.flatMap(Self.uuid).map { .binary(BSONBinary(subtype: 4, bytes: $0)) }
        case .code, .scope: return nil
        case .timestamp:
            guard let (seconds, increment) = Self.pair(inner, "t", "i"),
                let seconds = seconds.intValue.flatMap({ UInt32(exactly: $0) }),
                let increment = increment.intValue.flatMap({ UInt32(exactly: $0) })
            else { return nil }
            return .timestamp(BSONTimestamp(seconds: seconds, increment: increment))
        case .regularExpression:
            guard let (pattern, options) = Self.pair(inner, "pattern", "options"),
                let pattern = pattern.stringValue, let options = options.stringValue,
                !pattern.utf8.contains(0), !options.utf8.contains(0)
            else { return nil }
            return .regularExpression(BSONRegularExpression(pattern: pattern, options: options))
        case .dbPointer:
            guard let (reference, id) = Self.pair(inner, "$ref", "$id"),
                let reference = reference.stringValue, let id = id.objectIDValue
            else { return nil }
            return .dbPointer(BSONDBPointer(reference: reference, id: id))
        case .date:
            switch inner {
            case .string(let text): return BSONDateTime(iso8601: text).map { .dateTime($0) }
            case .int64(let number): return .dateTime(BSONDateTime(millisecondsSince1970: number))
            default: return nil
            }
        case .minKey: return inner == .int32(1) ? .minKey : nil
        case .maxKey: return inner == .int32(1) ? .maxKey : nil
        case .undefined: return inner == .bool(true) ? .undefined : nil
        }
    }

    private static func double(_ text: String) -> Double? {
        switch text {
        case "NaN": .nan
        case "Infinity": .infinity
        case "-Infinity": -.infinity
        // Without this, Swift would also read hexadecimal numbers and `nan`.
        case _ where text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }: try? WrittenNumber.double(text)
        default: nil
        }
    }

    private static func binary(_ inner: BSONValue) -> BSONBinary? {
        guard let (data, subtype) = pair(inner, "base64", "subType"),
            let bytes = data.stringValue.flatMap(Base64.decode),
            let digits = subtype.stringValue, (1...2).contains(digits.utf8.count), !digits.bytes.hasPrefix("+"),
            let subtype = UInt8(digits, radix: 16)
        else { return nil }
        return BSONBinary(subtype: subtype, bytes: bytes)
    }

    private static func uuid(_ text: String) -> [UInt8]? {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12] else { return nil }
        return Hexadecimal.bytes(groups.joined())
    }

    /// The two values of a document that has exactly these two keys, in any order.
    private static func pair(_ value: BSONValue, _ first: String, _ second: String) -> (BSONValue, BSONValue)? {
        guard case .document(let document) = value, document.count == 2,
            let first = document[first], let second = document[second]
        else { return nil }
        return (first, second)
    }
}
