/// Walks the elements of a well-formed document without decoding what nobody asks for.
///
/// It never reads outside its bytes: an element that does not fit ends the walk.
struct BSONScanner: Sendable {
    struct Element {
        var type: BSONType
        /// Where the type byte stands.
        var start: Int
        var keyEnd: Int
        /// Just behind the value.
        var end: Int
        var valueStart: Int { keyEnd + 1 }
    }

    private let bytes: [UInt8]
    private var position: Int
    private let end: Int

    /// `bytes[offset...]` begins with a document.
    init(_ bytes: [UInt8], at offset: Int = 0) {
        self.bytes = bytes
        position = offset + 4
        end = min(bytes.count, offset + Int(Self.readInt32(bytes, offset) ?? 0)) - 1
    }

    mutating func next() -> Element? {
        guard position < end, let type = BSONType(rawValue: bytes[position]) else { return nil }
        var keyEnd = position + 1
        while keyEnd < end, bytes[keyEnd] != 0 { keyEnd += 1 }
        guard let valueEnd = Self.valueEnd(type, bytes, from: keyEnd + 1), valueEnd <= end else { return nil }
        defer { position = valueEnd }
        return Element(type: type, start: position, keyEnd: keyEnd, end: valueEnd)
    }

    func key(of element: Element) -> String {
        String(decoding: bytes[(element.start + 1)..<element.keyEnd], as: UTF8.self)
    }

    func key(of element: Element, equals key: String) -> Bool {
        let stored = bytes[(element.start + 1)..<element.keyEnd]
        return stored.elementsEqual(key.utf8)
    }

    func value(of element: Element) -> BSONValue {
        let start = element.valueStart
        switch element.type {
        case .double: return .double(Double(bitPattern: UInt64(bitPattern: int64(start))))
        case .string: return .string(string(start))
        case .document: return .document(BSONDocument(unchecked: Array(bytes[start..<element.end])))
        case .array:
            var scanner = BSONScanner(bytes, at: start)
            var values: [BSONValue] = []
            while let element = scanner.next() { values.append(scanner.value(of: element)) }
            return .array(values)
        case .binary:
            let subtype = bytes[start + 4]
            let dataStart = subtype == 2 && element.end - start >= 9 ? start + 9 : start + 5
            return .binary(BSONBinary(subtype: subtype, bytes: Array(bytes[dataStart..<element.end])))
        case .undefined: return .undefined
        case .objectID: return .objectID(objectID(start))
        case .bool: return .bool(bytes[start] != 0)
        case .dateTime: return .dateTime(BSONDateTime(millisecondsSince1970: int64(start)))
        case .null: return .null
        case .regularExpression:
            let patternEnd = bytes[start..<element.end].firstIndex(of: 0) ?? start
            return .regularExpression(
                BSONRegularExpression(
                    pattern: String(decoding: bytes[start..<patternEnd], as: UTF8.self),
                    options: String(decoding: bytes[(patternEnd + 1)..<(element.end - 1)], as: UTF8.self)
                )
            )
        case .dbPointer: return .dbPointer(BSONDBPointer(reference: string(start), id: objectID(element.end - 12)))
        case .javaScript: return .javaScript(string(start))
        case .symbol: return .symbol(string(start))
        case .javaScriptWithScope:
            let scopeStart = start + 8 + Int(Self.readInt32(bytes, start + 4) ?? 0)
            return .javaScriptWithScope(
                string(start + 4),
                BSONDocument(unchecked: Array(bytes[scopeStart..<element.end]))
            )
        case .int32: return .int32(Self.readInt32(bytes, start) ?? 0)
        case .timestamp:
            let bits = UInt64(bitPattern: int64(start))
            return .timestamp(
                BSONTimestamp(seconds: UInt32(bits >> 32), increment: UInt32(truncatingIfNeeded: bits))
            )
        case .int64: return .int64(int64(start))
        case .decimal128:
            return .decimal128(
                Decimal128(high: UInt64(bitPattern: int64(start + 8)), low: UInt64(bitPattern: int64(start)))
            )
        case .minKey: return .minKey
        case .maxKey: return .maxKey
        }
    }

    /// Just behind a value of that type that begins at `start`; `nil` where its length is impossible.
    private static func valueEnd(_ type: BSONType, _ bytes: [UInt8], from start: Int) -> Int? {
        func prefixed(_ extra: Int) -> Int? {
            guard let length = readInt32(bytes, start), length >= 0 else { return nil }
            return start + Int(length) + extra
        }
        switch type {
        case .double, .dateTime, .timestamp, .int64: return start + 8
        case .int32: return start + 4
        case .bool: return start + 1
        case .objectID: return start + 12
        case .decimal128: return start + 16
        case .undefined, .null, .minKey, .maxKey: return start
        case .string, .javaScript, .symbol: return prefixed(4)
        case .binary: return prefixed(5)
        case .dbPointer: return prefixed(16)
        case .document, .array, .javaScriptWithScope: return prefixed(0)
        case .regularExpression:
            guard start <= bytes.count, let first = bytes[start...].firstIndex(of: 0),
                let second = bytes[(first + 1)...].firstIndex(of: 0)
            else { return nil }
            return second + 1
        }
    }

    private static func readInt32(_ bytes: [UInt8], _ offset: Int) -> Int32? {
        guard offset >= 0, offset + 4 <= bytes.count else { return nil }
        return bytes.withUnsafeBytes { Int32(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Int32.self)) }
    }

    private func int64(_ offset: Int) -> Int64 {
        precondition(offset + 8 <= bytes.count)
        return bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Int64.self)) }
    }

    /// An int32 length, that many bytes with the closing zero. Invalid UTF-8 becomes U+FFFD.
    private func string(_ offset: Int) -> String {
        let length = Int(Self.readInt32(bytes, offset) ?? 0)
        guard length > 0, offset + 3 + length < bytes.count else { return "" }
        return String(decoding: bytes[(offset + 4)..<(offset + 3 + length)], as: UTF8.self)
    }

    private func objectID(_ offset: Int) -> ObjectID {
        bytes.withUnsafeBytes {
            ObjectID(
                head: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
                tail: UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
            )
        }
    }
}
