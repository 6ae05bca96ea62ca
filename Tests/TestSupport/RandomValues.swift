public import BSON

/// Random values of every kind that BSON has, the odd ones above all; the same seed gives the same values.
public struct RandomValues {
    private var generator: SplitMix64

    public init(seed: UInt64) {
        generator = SplitMix64(seed: seed)
    }

    public mutating func next() -> UInt64 { generator.next() }

    public mutating func number(below limit: Int) -> Int { Int(next() % UInt64(limit)) }

    public mutating func one<Element>(of elements: [Element]) -> Element { elements[number(below: elements.count)] }

    // MARK: Texts

    /// Equal to another one for `String`, or with a mark that it does not see, or with what programs stumble over.
    static let odd = [
        "caf\u{E9}", "cafe\u{301}", "\u{D55C}", "\u{1112}\u{1161}\u{11AB}", "\u{C5}", "\u{212B}", "K", "\u{212A}", ";",
        "\u{37E}", "\u{301}", "a\u{301}", "\u{301}b", "/", "/\u{301}", "a/b", "a/\u{301}b", "..", "..\u{301}", "../x",
        ".",
        "-", "$", "$x", "$\u{301}", "a.b", "a.\u{301}b", ".\u{301}", "_id", "hub", "time", "project_name", " ", "\t",
        "\n",
        "\r\n", "\u{7F}", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{202E}", "\u{1F469}\u{200D}\u{1F52C}", "\u{10FFFF}",
        "\u{FFFD}",
        "0", "true", "null", "NaN", "\\", "\"", "'", "@", "=", ":", ",", "%2F", "\u{B5}", "\u{3BC}", "K/\u{338}",
        "@\u{338}",
    ]

    /// - Parameter longest: Of the long ones, which are rare.
    public mutating func text(longest: Int = 2000) -> String {
        switch number(below: 20) {
        case 0: return ""
        case 1: return one(of: Self.odd) + "\0" + one(of: Self.odd)
        case 2: return String(repeating: one(of: Self.odd), count: 1 + number(below: longest))
        case 3...12: return (0...number(below: 3)).map { _ in one(of: Self.odd) }.joined()
        case 13...15: return scalars()
        default: return word()
        }
    }

    public mutating func word() -> String {
        String((0...number(below: 8)).map { _ in one(of: Array("abcdefghijklmnopqrstuvwxyz_0123456789")) })
    }

    private mutating func scalars() -> String {
        var text = ""
        for _ in 0...number(below: 12) {
            if let scalar = Unicode.Scalar(UInt32(number(below: 0x11_0000))) { text.unicodeScalars.append(scalar) }
        }
        return text
    }

    /// Without NUL, which no key of BSON can hold.
    public mutating func key() -> String {
        let text = number(below: 3) == 0 ? text(longest: 200) : word()
        return String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != "\0" }))
    }

    // MARK: Values

    public mutating func document(depth: Int = 3) -> BSONDocument {
        var elements: [(String, BSONValue)] = []
        for _ in 0..<number(below: 5) { elements.append((key(), value(depth: depth - 1))) }
        // Rarely one key twice.
        if number(below: 30) == 0, let first = elements.first { elements.append((first.0, value(depth: 0))) }
        return BSONDocument(elements: elements)
    }

    public mutating func value(depth: Int = 3) -> BSONValue {
        switch number(below: depth > 0 ? 25 : 21) {
        case 0: return .double(one(of: Self.doubles))
        case 1: return .double(Double(bitPattern: next()))
        case 2, 3: return .string(text())
        case 4: return .int32(one(of: [.min, -1, 0, 1, .max]))
        case 5: return .int64(one(of: [.min, -1, 0, 1, 1 << 53, (1 << 53) + 1, .max, Int64(bitPattern: next())]))
        case 6: return .decimal128(Decimal128(high: next(), low: next()))
        case 7:
            return .dateTime(
                BSONDateTime(millisecondsSince1970: one(of: [.min, -1, 0, .max, Int64(bitPattern: next())]))
            )
        case 8: return .binary(BSONBinary(subtype: one(of: [0, 1, 2, 3, 4, 5, 7, 0x80, 0xFF]), bytes: bytes()))
        case 9: return .objectID(ObjectID())
        case 10: return .bool(number(below: 2) == 0)
        case 11: return .null
        case 12: return .undefined
        case 13:
            return .regularExpression(BSONRegularExpression(pattern: key(), options: one(of: ["", "i", "imsx", "xi"])))
        case 14: return .dbPointer(BSONDBPointer(reference: key(), id: ObjectID()))
        case 15: return .javaScript(text())
        case 16: return .symbol(text())
        case 17: return .javaScriptWithScope(text(), ["x": .string(text())])
        case 18: return .timestamp(BSONTimestamp(seconds: one(of: [0, 1, .max]), increment: one(of: [0, .max])))
        case 19: return one(of: [.minKey, .maxKey])
        case 20: return number(below: 40) == 0 ? nested(one(of: [90, 101, 150, 190, 250])) : .string(word())
        case 21, 22: return .document(document(depth: depth))
        default: return .array((0..<number(below: 5)).map { _ in value(depth: depth - 1) })
        }
    }

    static let doubles: [Double] = [
        .nan, .signalingNaN, .infinity, -.infinity, -0.0, 0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.1,
        9_007_199_254_740_992,
    ]

    public mutating func bytes() -> [UInt8] {
        let count = one(of: [0, 1, 16, number(below: 3000)])
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    private mutating func nested(_ depth: Int) -> BSONValue {
        let isArray = number(below: 2) == 0
        return (0..<depth).reduce(.int32(1)) { value, _ in isArray ? .array([value]) : ["x": value] }
    }
}
