/// Walks the elements of a well-formed document without decoding what nobody asks for.
///
/// It never reads outside its bytes, whatever they are: an element that does not fit ends the walk.
struct BSONScanner: Sendable {
    struct Element {
        var type: BSONType
        /// Where the type byte stands.
        var start: Int
        /// Where the zero byte behind the key stands.
        var keyEnd: Int
        /// Just behind the value.
        var end: Int
        var valueStart: Int { keyEnd + 1 }
    }

    private let bytes: [UInt8]
    private var position: Int
    /// Where the document's last byte, a zero, stands.
    private let end: Int

    /// `bytes[offset...]` begins with a document.
    init(_ bytes: [UInt8], at offset: Int = 0) {
        self.bytes = bytes
        position = offset + 4
        end = bytes.withUnsafeBytes { Self.documentEnd($0, at: offset) }
    }

    mutating func next() -> Element? {
        guard let element = bytes.withUnsafeBytes({ Self.element($0, at: position, before: end) }) else { return nil }
        position = element.end
        return element
    }

    /// The first element with that key in the document at `offset`.
    static func find(_ key: String, in bytes: [UInt8], at offset: Int = 0) -> Element? {
        var key = key
        return key.withUTF8 { key in
            bytes.withUnsafeBytes { bytes in
                let end = documentEnd(bytes, at: offset)
                var position = offset + 4
                while let element = element(bytes, at: position, before: end) {
                    let stored = bytes[(element.start + 1)..<element.keyEnd]
                    if stored.count == key.count, stored.elementsEqual(key) { return element }
                    position = element.end
                }
                return nil
            }
        }
    }

    /// The scanner of the document or array that is the element's value.
    func nested(_ element: Element) -> BSONScanner {
        BSONScanner(bytes, at: element.valueStart)
    }

    func key(of element: Element) -> String {
        text((element.start + 1), element.keyEnd)
    }

    func value(of element: Element) -> BSONValue {
        let start = element.valueStart
        switch element.type {
        case .double: return .double(Double(bitPattern: integer(start)))
        case .string: return .string(text(start + 4, element.end - 1))
        case .document: return .document(document(start, element.end))
        case .array:
            var scanner = nested(element)
            var values: [BSONValue] = []
            while let element = scanner.next() { values.append(scanner.value(of: element)) }
            return .array(values)
        case .binary: return .binary(binary(start, element.end))
        case .undefined: return .undefined
        case .objectID: return .objectID(objectID(start))
        case .bool: return .bool(bytes[start] != 0)
        case .dateTime: return .dateTime(BSONDateTime(millisecondsSince1970: integer(start)))
        case .null: return .null
        case .regularExpression:
            let patternEnd = bytes[start..<element.end].firstIndex(of: 0) ?? start
            return .regularExpression(
                BSONRegularExpression(
                    pattern: text(start, patternEnd),
                    options: text(patternEnd + 1, element.end - 1)
                )
            )
        case .dbPointer:
            return .dbPointer(
                BSONDBPointer(reference: text(start + 4, element.end - 13), id: objectID(element.end - 12))
            )
        case .javaScript: return .javaScript(text(start + 4, element.end - 1))
        case .symbol: return .symbol(text(start + 4, element.end - 1))
        case .javaScriptWithScope:
            let length = Int(integer(start + 4) as Int32)
            let scopeStart = start + 8 + max(0, length)
            return .javaScriptWithScope(text(start + 8, scopeStart - 1), document(scopeStart, element.end))
        case .int32: return .int32(integer(start))
        case .timestamp:
            let bits: UInt64 = integer(start)
            return .timestamp(
                BSONTimestamp(seconds: UInt32(bits >> 32), increment: UInt32(truncatingIfNeeded: bits))
            )
        case .int64: return .int64(integer(start))
        case .decimal128: return .decimal128(Decimal128(high: integer(start + 8), low: integer(start)))
        case .minKey: return .minKey
        case .maxKey: return .maxKey
        }
    }
}

// MARK: - Where elements begin and end

extension BSONScanner {
    /// Where the last byte of the document at `offset` stands, at most the last byte of all.
    private static func documentEnd(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        guard let length = length(bytes, at: offset, before: bytes.count) else { return 0 }
        return min(bytes.count, offset + length) - 1
    }

    @inline(__always)
    private static func element(_ bytes: UnsafeRawBufferPointer, at start: Int, before end: Int) -> Element? {
        guard start < end, let type = BSONType(rawValue: bytes[start]) else { return nil }
        var keyEnd = start + 1
        while keyEnd < end, bytes[keyEnd] != 0 { keyEnd += 1 }
        guard keyEnd < end, let valueEnd = valueEnd(type, bytes, from: keyEnd + 1, before: end), valueEnd <= end else {
            return nil
        }
        return Element(type: type, start: start, keyEnd: keyEnd, end: valueEnd)
    }

    /// Just behind a value of that type that begins at `start`; `nil` where its length is impossible.
    @inline(__always)
    private static func valueEnd(
        _ type: BSONType,
        _ bytes: UnsafeRawBufferPointer,
        from start: Int,
        before end: Int
    ) -> Int? {
        func prefixed(_ extra: Int, least: Int) -> Int? {
            guard let length = length(bytes, at: start, before: end), length >= least else { return nil }
            return start + length + extra
        }
        switch type {
        case .double, .dateTime, .timestamp, .int64: return start + 8
        case .int32: return start + 4
        case .bool: return start + 1
        case .objectID: return start + 12
        case .decimal128: return start + 16
        case .undefined, .null, .minKey, .maxKey: return start
        case .string, .javaScript, .symbol: return prefixed(4, least: 1)
        case .binary: return prefixed(5, least: 0)
        case .dbPointer: return prefixed(16, least: 1)
        case .document, .array: return prefixed(0, least: 5)
        case .javaScriptWithScope: return prefixed(0, least: 14)
        case .regularExpression:
            var position = start
            for _ in 0..<2 {
                while position < end, bytes[position] != 0 { position += 1 }
                guard position < end else { return nil }
                position += 1
            }
            return position
        }
    }

    private static func length(_ bytes: UnsafeRawBufferPointer, at offset: Int, before end: Int) -> Int? {
        guard offset >= 0, offset + 4 <= end else { return nil }
        return Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
    }
}

// MARK: - Reading values

extension BSONScanner {
    private func integer<Integer: FixedWidthInteger & BitwiseCopyable>(_ offset: Int) -> Integer {
        precondition(offset >= 0 && offset + MemoryLayout<Integer>.size <= bytes.count)
        return bytes.withUnsafeBytes {
            Integer(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Integer.self))
        }
    }

    /// Invalid UTF-8 becomes U+FFFD.
    private func text(_ start: Int, _ end: Int) -> String {
        guard start < end, end <= bytes.count else { return "" }
        return bytes.withUnsafeBufferPointer { String(decoding: $0[start..<end], as: UTF8.self) }
    }

    private func document(_ start: Int, _ end: Int) -> BSONDocument {
        guard start + 5 <= end, end <= bytes.count else { return BSONDocument() }
        return BSONDocument(unchecked: Array(bytes[start..<end]))
    }

    private func binary(_ start: Int, _ end: Int) -> BSONBinary {
        let subtype = bytes[start + 4]
        // The old binary subtype carries its length a second time.
        let dataStart = subtype == 2 && end - start >= 9 ? start + 9 : start + 5
        return BSONBinary(subtype: subtype, bytes: Array(bytes[dataStart..<end]))
    }

    private func objectID(_ offset: Int) -> ObjectID {
        ObjectID(
            head: UInt64(bigEndian: UInt64(littleEndian: integer(offset))),
            tail: UInt32(bigEndian: UInt32(littleEndian: integer(offset + 8)))
        )
    }
}
