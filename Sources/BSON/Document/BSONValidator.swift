/// Decides whether bytes are one well-formed document. Iterative, allocates nothing, reads every byte at most twice.
struct BSONValidator {
    /// How deep documents, arrays and scopes may nest, the outermost counted as one. The server allows 180 by default.
    static let maximumDepth = 200

    private let bytes: UnsafeRawBufferPointer
    /// Whether UTF-8, truth values and the inner length of old binaries are checked too.
    private let strict: Bool

    /// The first fault; `nil` when there is none.
    static func fault(in bytes: [UInt8], strict: Bool) -> BSONError? {
        bytes.withUnsafeBytes { bytes in
            withUnsafeTemporaryAllocation(of: Int.self, capacity: maximumDepth) { ends in
                do throws(BSONError) {
                    try BSONValidator(bytes: bytes, strict: strict).check(ends)
                    return nil
                } catch {
                    return error
                }
            }
        }
    }

    /// `ends` is scratch space: where the closing zero of every open document stands.
    private func check(_ ends: UnsafeMutableBufferPointer<Int>) throws(BSONError) {
        guard bytes.count >= 5 else { throw fault(0, "a document has at least 5 bytes, here are \(bytes.count)") }
        guard length(at: 0) == bytes.count else {
            throw fault(0, "the length says \(length(at: 0)) bytes, there are \(bytes.count)")
        }
        var depth = 0
        ends[0] = bytes.count - 1
        try checkZero(ends[0], "a document")
        var position = 4
        while true {
            let end = ends[depth]
            if position == end {
                position += 1
                if depth == 0 { return }
                depth -= 1
                continue
            }
            let (type, start) = try header(at: position, before: end)
            guard let nested = try checkValue(type, at: start, before: end, next: &position) else { continue }
            depth += 1
            guard depth < Self.maximumDepth else {
                throw fault(start, "documents nest deeper than \(Self.maximumDepth) levels")
            }
            ends[depth] = nested
        }
    }

    /// Reads the type byte and the key; `start` is where the value begins.
    @inline(__always)
    private func header(at position: Int, before end: Int) throws(BSONError) -> (type: BSONType, start: Int) {
        guard let type = BSONType(rawValue: bytes[position]) else {
            throw fault(position, "no BSON type has the number \(bytes[position])")
        }
        return (type, try cString(position + 1, before: end) + 1)
    }

    /// Checks one value. For a document inside, `next` goes to its first element and its last byte is returned.
    @inline(__always)
    private func checkValue(
        _ type: BSONType,
        at start: Int,
        before end: Int,
        next: inout Int
    ) throws(BSONError) -> Int? {
        switch type {
        case .double, .dateTime, .timestamp, .int64: next = try fixed(8, start, end)
        case .int32: next = try fixed(4, start, end)
        case .objectID: next = try fixed(12, start, end)
        case .decimal128: next = try fixed(16, start, end)
        case .undefined, .null, .minKey, .maxKey: next = start
        case .bool:
            next = try fixed(1, start, end)
            if strict, bytes[start] > 1 { throw fault(start, "a truth value is 0 or 1, not \(bytes[start])") }
        case .string, .javaScript, .symbol: next = try string(start, end)
        case .dbPointer: next = try fixed(12, try string(start, end), end)
        case .regularExpression: next = try cString(try cString(start, before: end) + 1, before: end) + 1
        case .binary: next = try binary(start, end)
        case .document, .array: return try openDocument(start, end, next: &next)
        case .javaScriptWithScope:
            _ = try fixed(4, start, end)
            let total = length(at: start)
            guard total >= 14, total <= end - start else { throw fault(start, "impossible length \(total) of code") }
            let scope = try string(start + 4, start + total)
            let last = try openDocument(scope, start + total, next: &next)
            guard last == start + total - 1 else {
                throw fault(scope, "the scope does not fill the length of the code")
            }
            return last
        }
        return nil
    }

    @inline(__always)
    private func fixed(_ size: Int, _ start: Int, _ end: Int) throws(BSONError) -> Int {
        guard size <= end - start else { throw fault(start, "a value of \(size) bytes is cut off") }
        return start + size
    }

    private func openDocument(_ start: Int, _ end: Int, next: inout Int) throws(BSONError) -> Int {
        _ = try fixed(4, start, end)
        let length = length(at: start)
        guard length >= 5, length <= end - start else {
            throw fault(start, "impossible length \(length) of a document")
        }
        try checkZero(start + length - 1, "a document")
        next = start + 4
        return start + length - 1
    }

    /// Just behind the string at `start`.
    private func string(_ start: Int, _ end: Int) throws(BSONError) -> Int {
        _ = try fixed(4, start, end)
        let length = length(at: start)
        guard length >= 1, length <= end - start - 4 else {
            throw fault(start, "impossible length \(length) of a string")
        }
        let last = start + 3 + length
        try checkZero(last, "a string")
        if strict { try checkUTF8(start + 4, last) }
        return last + 1
    }

    private func binary(_ start: Int, _ end: Int) throws(BSONError) -> Int {
        _ = try fixed(5, start, end)
        let length = length(at: start)
        guard length >= 0, length <= end - start - 5 else {
            throw fault(start, "impossible length \(length) of a binary")
        }
        if strict, bytes[start + 4] == 2 {
            guard length >= 4, self.length(at: start + 5) == length - 4 else {
                throw fault(start, "the two lengths of a binary of subtype 2 contradict each other")
            }
        }
        return start + 5 + length
    }

    /// Where the zero byte of the key or pattern at `start` stands.
    @inline(__always)
    private func cString(_ start: Int, before end: Int) throws(BSONError) -> Int {
        var position = start
        var union: UInt8 = 0
        while position < end, bytes[position] != 0 {
            union |= bytes[position]
            position += 1
        }
        guard position < end else { throw fault(start, "a key or pattern does not end") }
        if strict, union >= 0x80 { try checkUTF8(start, position) }
        return position
    }

    private func checkZero(_ position: Int, _ what: StaticString) throws(BSONError) {
        guard bytes[position] == 0 else { throw fault(position, "\(what) does not end with a zero byte") }
    }

    private func checkUTF8(_ start: Int, _ end: Int) throws(BSONError) {
        guard UnsafeRawBufferPointer(rebasing: bytes[start..<end]).isUTF8 else {
            throw fault(start, "a text is not UTF-8")
        }
    }

    @inline(__always)
    private func length(at offset: Int) -> Int {
        Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
    }

    @inline(never)
    private func fault(_ position: Int, _ message: String) -> BSONError {
        BSONError(.malformedBytes, "at byte \(position): \(message)")
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes are valid UTF-8; ASCII is skipped eight bytes at a time.
    var isUTF8: Bool {
        var position = 0
        while position + 8 <= count {
            guard loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 else { break }
            position += 8
        }
        while position < count, self[position] < 0x80 { position += 1 }
        guard position < count else { return true }
        let rest = UnsafeRawBufferPointer(rebasing: self[position...]).bindMemory(to: UInt8.self)
        return (try? UTF8Span(validating: rest.span)) != nil
    }
}
