/// What Python's `ast.literal_eval` reads, as far as headers need it.
indirect enum PythonLiteral: Hashable {
    case string(String)
    case integer(Int)
    /// True, False, None and numbers that are no integers.
    case word(String)
    /// A tuple or a list.
    case sequence([PythonLiteral])
    case dictionary([Pair])

    struct Pair: Hashable {
        var key: PythonLiteral
        var value: PythonLiteral
    }

    var text: String {
        switch self {
        case .string(let text): "'\(text)'"
        case .integer(let number): "\(number)"
        case .word(let word): word
        case .sequence(let values): "(\(values.map(\.text).joined(separator: ", ")))"
        case .dictionary(let pairs): "{\(pairs.map { "\($0.key.text): \($0.value.text)" }.joined(separator: ", "))}"
        }
    }

    /// `nil` for what is no literal, or too deep for one of a header.
    static func parse(_ bytes: some Collection<UInt8>) -> PythonLiteral? {
        var parser = PythonLiteralParser(rest: Array(bytes)[...])
        guard let value = parser.value(depth: 0), parser.isAtEnd else { return nil }
        return value
    }
}

private struct PythonLiteralParser {
    var rest: ArraySlice<UInt8>

    private static let deepest = 32

    private mutating func skipSpace() {
        rest = rest.drop { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
    }

    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return rest.isEmpty
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    mutating func value(depth: Int) -> PythonLiteral? {
        guard depth < Self.deepest else { return nil }
        skipSpace()
        switch rest.first {
        case UInt8(ascii: "'"), UInt8(ascii: "\""): return string()
        case UInt8(ascii: "("): return sequence(closing: ")", depth)
        case UInt8(ascii: "["): return sequence(closing: "]", depth)
        case UInt8(ascii: "{"): return dictionary(depth)
        default: return word()
        }
    }

    private mutating func string() -> PythonLiteral? {
        let quote = rest.removeFirst()
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            if byte == quote { return .string(String(decoding: bytes, as: UTF8.self)) }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = rest.popFirst() else { return nil }
                bytes.append(escaped)
            } else {
                bytes.append(byte)
            }
        }
        return nil
    }

    private mutating func sequence(closing: Unicode.Scalar, _ depth: Int) -> PythonLiteral? {
        rest.removeFirst()
        var values: [PythonLiteral] = []
        while true {
            if take(closing) { return .sequence(values) }
            guard let value = value(depth: depth + 1) else { return nil }
            values.append(value)
            if !take(",") { return take(closing) ? .sequence(values) : nil }
        }
    }

    private mutating func dictionary(_ depth: Int) -> PythonLiteral? {
        rest.removeFirst()
        var pairs: [PythonLiteral.Pair] = []
        while true {
            if take("}") { return .dictionary(pairs) }
            guard let key = value(depth: depth + 1), take(":"), let value = value(depth: depth + 1) else { return nil }
            pairs.append(PythonLiteral.Pair(key: key, value: value))
            if !take(",") { return take("}") ? .dictionary(pairs) : nil }
        }
    }

    private mutating func word() -> PythonLiteral? {
        let word = rest.prefix {
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20
                || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: ".")
                || $0 == UInt8(ascii: "_")
        }
        guard !word.isEmpty else { return nil }
        rest = rest.dropFirst(word.count)
        let text = String(decoding: word, as: UTF8.self)
        // Python 2 wrote long integers as 3L.
        return Int(text.last == "L" ? String(text.dropLast()) : text).map(PythonLiteral.integer) ?? .word(text)
    }
}
