/// Writes elements at the end of a buffer.
enum BSONEncoding {
    static func append(key: String, _ value: BSONValue, to bytes: inout [UInt8]) {
        bytes.append(value.type.rawValue)
        appendCString(key, to: &bytes)
        append(value, to: &bytes)
    }

    static func append(_ value: BSONValue, to bytes: inout [UInt8]) {
        switch value {
        case .double(let number): appendInteger(number.bitPattern, to: &bytes)
        case .string(let text), .javaScript(let text), .symbol(let text): append(text, to: &bytes)
        case .document(let document): bytes.append(contentsOf: document.bytes)
        case .array(let elements):
            let start = bytes.count
            appendInteger(Int32(0), to: &bytes)
            for (index, element) in elements.enumerated() { append(key: String(index), element, to: &bytes) }
            close(&bytes, from: start)
        case .binary(let binary): append(binary, to: &bytes)
        case .undefined, .null, .minKey, .maxKey: break
        case .objectID(let id): append(id, to: &bytes)
        case .bool(let flag): bytes.append(flag ? 1 : 0)
        case .dateTime(let time): appendInteger(time.millisecondsSince1970, to: &bytes)
        case .regularExpression(let expression):
            appendCString(expression.pattern, to: &bytes)
            appendCString(expression.options, to: &bytes)
        case .dbPointer(let pointer):
            append(pointer.reference, to: &bytes)
            append(pointer.id, to: &bytes)
        case .javaScriptWithScope(let code, let scope):
            let start = bytes.count
            appendInteger(Int32(0), to: &bytes)
            append(code, to: &bytes)
            bytes.append(contentsOf: scope.bytes)
            patchLength(&bytes, at: start)
        case .int32(let number): appendInteger(number, to: &bytes)
        case .timestamp(let time):
            appendInteger(time.increment, to: &bytes)
            appendInteger(time.seconds, to: &bytes)
        case .int64(let number): appendInteger(number, to: &bytes)
        case .decimal128(let number):
            appendInteger(number.low, to: &bytes)
            appendInteger(number.high, to: &bytes)
        }
    }

    /// Ends the document that began at `start` and writes its length there.
    static func close(_ bytes: inout [UInt8], from start: Int) {
        bytes.append(0)
        patchLength(&bytes, at: start)
    }

    /// Writes at `start` the number of bytes from there to the end.
    static func patchLength(_ bytes: inout [UInt8], at start: Int) {
        patchLength(&bytes, at: start, count: bytes.count - start)
    }

    static func patchLength(_ bytes: inout [UInt8], at start: Int, count: Int) {
        precondition(count <= Int32.max, "a BSON document holds at most 2 GiB")
        for index in 0..<4 { bytes[start + index] = UInt8(truncatingIfNeeded: count >> (8 * index)) }
    }

    static func appendInteger<Integer: FixedWidthInteger>(_ value: Integer, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        appendInteger(Int32(truncatingIfNeeded: text.utf8.count + 1), to: &bytes)
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }

    private static func append(_ binary: BSONBinary, to bytes: inout [UInt8]) {
        if binary.subtype == 2 {
            // The old binary subtype carries its length a second time.
            appendInteger(Int32(binary.bytes.count + 4), to: &bytes)
            bytes.append(2)
        }
        appendInteger(Int32(binary.bytes.count), to: &bytes)
        if binary.subtype != 2 { bytes.append(binary.subtype) }
        bytes.append(contentsOf: binary.bytes)
    }

    private static func append(_ id: ObjectID, to bytes: inout [UInt8]) {
        appendInteger(id.head.bigEndian, to: &bytes)
        appendInteger(id.tail.bigEndian, to: &bytes)
    }

    private static func appendCString(_ text: String, to bytes: inout [UInt8]) {
        precondition(!text.utf8.contains(0), "a BSON key or pattern cannot hold a NUL character")
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
    }
}
