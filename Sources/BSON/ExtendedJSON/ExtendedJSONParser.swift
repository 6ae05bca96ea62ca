/// Reads JSON (RFC 8259, nothing more) straight into BSON bytes; `$` wrappers become the types they stand for.
struct ExtendedJSONParser {
    /// Objects inside wrappers, such as the scope of a code, are no levels of their own in BSON.
    static let maximumNesting = 2 * BSONValidator.maximumDepth + 4

    /// Valid UTF-8.
    let text: UnsafeBufferPointer<UInt8>
    private let options: ExtendedJSONOptions
    var position = 0
    /// How many brackets are open; bounds the recursion.
    private var nesting = 0
    /// The first number that would become another one.
    private var unrepresentable: BSONError?

    private init(_ text: UnsafeBufferPointer<UInt8>, _ options: ExtendedJSONOptions) {
        self.text = text
        self.options = options
    }

    static func parse(
        _ text: UnsafeBufferPointer<UInt8>,
        _ options: ExtendedJSONOptions
    ) -> Result<BSONValue, BSONError> {
        var parser = ExtendedJSONParser(text, options)
        do throws(BSONError) {
            let value = try parser.value(depth: 0)
            parser.skipSpace()
            guard parser.position == text.count else { throw parser.expected("the end of the text") }
            if let fault = parser.unrepresentable { return .failure(fault) }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    // MARK: Values

    /// A value by itself; containers begin at that BSON depth.
    mutating func value(depth: Int) throws(BSONError) -> BSONValue {
        skipSpace()
        if peek == UInt8(ascii: "\"") { return .string(try string()) }
        var bytes: [UInt8] = [0, 0, 0, 0, 0, 0]
        bytes[4] = try content(depth: depth, into: &bytes).rawValue
        if bytes[4] == BSONType.document.rawValue {
            return .document(BSONDocument(unchecked: Array(bytes[6...])))
        }
        BSONEncoding.close(&bytes, from: 0)
        var scanner = BSONScanner(bytes)
        guard let element = scanner.next() else { throw expected("a value") }
        return scanner.value(of: element)
    }

    /// Writes the encoded value without type and key.
    private mutating func content(depth: Int, into bytes: inout [UInt8]) throws(BSONError) -> BSONType {
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth, into: &bytes)
        case UInt8(ascii: "["): return try array(depth: depth, into: &bytes)
        case UInt8(ascii: "\""):
            let start = bytes.count
            BSONEncoding.appendInteger(Int32(0), to: &bytes)
            try string(into: &bytes)
            bytes.append(0)
            BSONEncoding.patchLength(&bytes, at: start, count: bytes.count - start - 4)
            return .string
        case UInt8(ascii: "t") where skip("true"):
            bytes.append(1)
            return .bool
        case UInt8(ascii: "f") where skip("false"):
            bytes.append(0)
            return .bool
        case UInt8(ascii: "n") where skip("null"): return .null
        default:
            let number = try number()
            BSONEncoding.append(number, to: &bytes)
            return number.type
        }
    }

    private mutating func array(depth: Int, into bytes: inout [UInt8]) throws(BSONError) -> BSONType {
        try open(depth: depth)
        let start = bytes.count
        BSONEncoding.appendInteger(Int32(0), to: &bytes)
        var count = 0
        skipSpace()
        while peek != UInt8(ascii: "]") || count > 0 {
            let typeIndex = bytes.count
            bytes.append(0)
            bytes.append(contentsOf: String(count).utf8)
            bytes.append(0)
            bytes[typeIndex] = try content(depth: depth + 1, into: &bytes).rawValue
            count += 1
            guard try isFollowed(orClosedBy: UInt8(ascii: "]"), "a comma or ]") else { break }
        }
        close()
        BSONEncoding.close(&bytes, from: start)
        return .array
    }

    private mutating func object(depth: Int, into bytes: inout [UInt8]) throws(BSONError) -> BSONType {
        let opening = position
        nesting += 1
        try checkNesting()
        position += 1
        let start = bytes.count
        BSONEncoding.appendInteger(Int32(0), to: &bytes)
        var isEmpty = true
        skipSpace()
        while peek != UInt8(ascii: "}") || !isEmpty {
            let typeIndex = bytes.count
            bytes.append(0)
            try key(into: &bytes)
            if !options.plain, bytes[typeIndex + 1] == UInt8(ascii: "$"),
                let wrapper = Wrapper(bytes[(typeIndex + 1)..<(bytes.count - 1)])
            {
                if isEmpty {
                    bytes.removeLast(bytes.count - start)
                    let value = try wrapped(wrapper, depth: depth, openedAt: opening)
                    BSONEncoding.append(value, to: &bytes)
                    return value.type
                }
                guard wrapper == .scope else {
                    throw error(at: opening, "\(wrapper.rawValue) cannot stand beside other keys")
                }
            }
            bytes[typeIndex] = try content(depth: depth + 1, into: &bytes).rawValue
            isEmpty = false
            guard try isFollowed(orClosedBy: UInt8(ascii: "}"), "a comma or }") else { break }
        }
        try checkDepth(depth)
        close()
        BSONEncoding.close(&bytes, from: start)
        return .document
    }

    /// Reads on behind the first key of an object, which may make it a wrapper, until the end of the object.
    private mutating func wrapped(_ first: Wrapper, depth: Int, openedAt opening: Int) throws(BSONError) -> BSONValue {
        // Only a scope is a level of its own in BSON. Without `$code`, `$scope` is an ordinary key and the object
        // counts.
        let inner =
            switch first {
            case .code: depth
            case .scope: depth + 1
            default: depth - 1
            }
        var members: [(key: String, value: BSONValue)] = []
        var name = first.rawValue
        while true {
            if name == Wrapper.date.rawValue {
                skipSpace()
                guard peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "{") else {
                    throw expected(#"a text or {"$numberLong": "…"}"#)
                }
            }
            members.append((name, try value(depth: inner)))
            guard try isFollowed(orClosedBy: UInt8(ascii: "}"), "a comma or }") else { break }
            var key: [UInt8] = []
            try self.key(into: &key)
            name = String(decoding: key.dropLast(), as: UTF8.self)
        }
        close()
        switch WrappedValue.interpret(members) {
        case .value(let value): return value
        case .wrong(let reason): throw error(at: opening, reason)
        case .none:
            try checkDepth(depth)
            return .document(BSONDocument(elements: members.lazy.map { ($0.key, $0.value) }))
        }
    }

    /// The key with a zero byte behind it, and the colon.
    private mutating func key(into bytes: inout [UInt8]) throws(BSONError) {
        skipSpace()
        guard peek == UInt8(ascii: "\"") else { throw expected("a key in quotation marks") }
        let (opening, start) = (position, bytes.count)
        try string(into: &bytes)
        guard !bytes[start...].contains(0) else {
            throw BSONError(.unrepresentable, error(at: opening, "a key cannot hold a NUL character").message)
        }
        bytes.append(0)
        skipSpace()
        guard peek == UInt8(ascii: ":") else { throw expected("a colon") }
        position += 1
    }
}

// MARK: - Tokens

extension ExtendedJSONParser {
    var peek: UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipSpace() {
        while let character = peek, character == 0x20 || (0x09...0x0D).contains(character),
            character != 0x0B, character != 0x0C
        {
            position += 1
        }
    }

    mutating func skip(_ word: StaticString) -> Bool {
        let characters = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard text[position...].starts(with: characters) else { return false }
        position += characters.count
        return true
    }

    private mutating func open(depth: Int) throws(BSONError) {
        nesting += 1
        try checkNesting()
        try checkDepth(depth)
        position += 1
    }

    private mutating func close() {
        nesting -= 1
        position += 1
    }

    private func checkNesting() throws(BSONError) {
        guard nesting <= Self.maximumNesting else { throw tooDeep }
    }

    private func checkDepth(_ depth: Int) throws(BSONError) {
        guard depth < BSONValidator.maximumDepth else { throw tooDeep }
    }

    private var tooDeep: BSONError {
        BSONError(
            .unrepresentable,
            error(at: position, "values nest deeper than \(BSONValidator.maximumDepth) levels").message
        )
    }

    /// Skips a comma, or stops in front of the closing bracket.
    private mutating func isFollowed(orClosedBy bracket: UInt8, _ what: StaticString) throws(BSONError) -> Bool {
        skipSpace()
        guard peek != bracket else { return false }
        guard peek == UInt8(ascii: ",") else { throw expected("\(what)") }
        position += 1
        return true
    }

    private mutating func number() throws(BSONError) -> BSONValue {
        let start = position
        if options.allowsNonFiniteLiterals {
            if skip("NaN") { return .double(.nan) }
            if skip("Infinity") { return .double(.infinity) }
            if skip("-Infinity") { return .double(-.infinity) }
        }
        if peek == UInt8(ascii: "-") { position += 1 }
        let first = peek
        let digits = skipDigits()
        guard digits > 0 else {
            position = start
            throw expected("a value")
        }
        guard first != UInt8(ascii: "0") || digits == 1 else {
            position = start
            throw expected("a number without leading zeros")
        }
        var isInteger = true
        if peek == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            guard skipDigits() > 0 else { throw expected("a digit") }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            guard skipDigits() > 0 else { throw expected("a digit") }
        }
        let token = String(decoding: text[start..<position], as: UTF8.self)
        do throws(BSONError) {
            let value = try WrittenNumber.value(token, isWhole: isInteger)
            if options.plain, let whole = value.intValue, isInteger { return .int64(Int64(whole)) }
            return value
        } catch {
            // What is no JSON at all is told first.
            if unrepresentable == nil {
                let place = self.error(at: start, error.message)
                unrepresentable = BSONError(error.code, place.message)
            }
            return .null
        }
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while let character = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) { position += 1 }
        return position - start
    }

    func expected(_ what: String) -> BSONError {
        let rest = text[min(position, text.count)...]
        return error(at: position, "expected \(what), found \(Self.name(ofFirst: rest))")
    }

    /// A character that nobody sees is named.
    private static func name(ofFirst rest: Slice<UnsafeBufferPointer<UInt8>>) -> String {
        let text = String(decoding: rest.prefix(24), as: UTF8.self)
        guard let first = text.unicodeScalars.first else { return "the end of the text" }
        if first == "\u{FEFF}" { return "a byte order mark (U+FEFF); save the text without it" }
        switch first.properties.generalCategory {
        case .control, .format, .spaceSeparator, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: break
        default: return "'\(text.prefix(1))'"
        }
        let digits = String(first.value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }

    func error(at position: Int, _ message: String) -> BSONError {
        let before = text[..<min(position, text.count)]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let column = before[lineStart...].count { $0 & 0xC0 != 0x80 } + 1
        return BSONError(.malformedJSON, "line \(line), column \(column): \(message)")
    }
}
