public import BSON
import Glibc

/// Values of every kind that somebody may store, each from a seed: for the tests of the doors.
public struct ArbitraryValue {
    public private(set) var seed: UInt64
    private var generator: SplitMix64

    /// How many values a test of a door sends: `TENSORHUB_PROPERTY_COUNT`, else so many.
    public static func count(_ usual: Int) -> Int {
        getenv("TENSORHUB_PROPERTY_COUNT").flatMap { Int(String(cString: $0)) } ?? usual
    }

    /// The seed is that of `TENSORHUB_PROPERTY_SEED`, else a new one; it is printed, so that a failure can be repeated.
    public init(door: String) {
        let given = getenv("TENSORHUB_PROPERTY_SEED").flatMap { UInt64(String(cString: $0)) }
        self.init(seed: given ?? .random(in: 0 ... .max))
        print("values for \(door): TENSORHUB_PROPERTY_SEED=\(seed)")
    }

    public init(seed: UInt64) {
        self.seed = seed
        generator = SplitMix64(seed: seed)
    }

    // MARK: Values

    public mutating func value(depth: Int = 0) -> BSONValue {
        switch int(depth > 4 ? 18 : 22) {
        case 0: return .int32(Int32(truncatingIfNeeded: bits()))
        case 1:
            return .int64(
                pick([.min, .max, 1 << 53, (1 << 53) + 1, -(1 << 31) - 1, 1 << 31, Int64(bitPattern: bits())])
            )
        case 2: return .double(Double(bitPattern: bits()))
        case 3:
            let edges: [Double] = [
                -0.0, 0, .nan, .infinity, -.infinity, .leastNonzeroMagnitude, 1e308, 0.1, 0x1p53, 0x1p63, 1e23,
            ]
            return .double(pick(edges))
        case 4, 5, 6: return .string(text())
        case 7: return .bool(int(2) == 0)
        case 8: return .null
        case 9: return .dateTime(BSONDateTime(millisecondsSince1970: pick([0, -1, .min, .max, Int64(bits() >> 20)])))
        case 10: return .binary(BSONBinary(subtype: pick([0, 4, 5, 0x80]), bytes: bytes(pick([0, 1, 16, 17, 300]))))
        case 11: return .objectID(ObjectID(bytes: bytes(12)) ?? ObjectID())
        case 12:
            return .decimal128(
                Decimal128(pick(["0", "-0", "1.50", "1E+6111", "NaN", "-Infinity", digits(34)])) ?? Decimal128("1")!
            )
        case 13: return .timestamp(BSONTimestamp(seconds: UInt32(truncatingIfNeeded: bits()), increment: .max))
        case 14: return .regularExpression(BSONRegularExpression(pattern: word(), options: pick(["", "i", "im"])))
        case 15: return pick([.minKey, .maxKey])
        case 16: return .javaScript(text())
        case 17: return .int32(pick([.min, .max, 0, -1]))
        case 18, 19: return .array((0..<int(5)).map { _ in value(depth: depth + 1) })
        default: return .document(document(depth: depth + 1))
        }
    }

    /// Mostly of keys that can be stored.
    public mutating func document(depth: Int = 0, ofPlainKeys: Bool = false) -> BSONDocument {
        var document: BSONDocument = [:]
        for _ in 0..<int(5) {
            // Built to hold keys twice too.
            document.append(ofPlainKeys || int(40) > 0 ? word() : oddKey(), value(depth: depth))
        }
        return document
    }

    /// What JSON itself has: no type of BSON's own.
    public mutating func plainValue(depth: Int = 0) -> BSONValue {
        switch int(depth > 4 ? 6 : 8) {
        case 0: return .int64(pick([.min, .max, (1 << 53) + 1, Int64(bitPattern: bits()), Int64(int(1000))]))
        case 1:
            let number = Double(bitPattern: bits())
            return .double(number.isFinite ? number : 0.5)
        case 2, 3: return .string(text())
        case 4: return .bool(int(2) == 0)
        case 5: return .null
        case 6: return .array((0..<int(4)).map { _ in plainValue(depth: depth + 1) })
        default:
            var document: BSONDocument = [:]
            for _ in 0..<int(4) { document[word()] = plainValue(depth: depth + 1) }
            return .document(document)
        }
    }

    /// A number as somebody may write it, at the edges of what can be stored.
    public mutating func writtenNumber() -> String {
        let sign = pick(["", "", "-"])
        switch int(6) {
        case 0: return sign + pick(["9223372036854775807", "9223372036854775808", "9223372036854775809", "0"])
        case 1: return sign + "\(1 + int(9))" + digits(int(25))
        case 2:
            return sign + pick(["9007199254740992", "9007199254740993", "18446744073709551615", "4503599627370497"])
                + ".\(int(10))"
        case 3:
            return sign
                + "\(int(10)).\(digits(1 + int(20)))e\(pick(["", "-", "+"]))\(pick([0, 1, 15, 22, 300, 307, 308, 309, 323, 324, 400]))"
        case 4: return sign + "0.\(digits(1 + int(40)))"
        default: return "\(Double(bitPattern: bits()))".filter { $0 != "+" }
        }
    }

    // MARK: Texts

    public mutating func text() -> String {
        switch int(12) {
        case 0:
            return pick([
                "", " ", "\u{e9}", "e\u{301}", "\u{FEFF}x", "x\u{FEFF}", "\u{1F468}\u{200D}\u{1F469}", "\u{B5}",
                "\u{3BC}",
            ])
        case 1:
            return pick([
                "1", "1.0", "true", "null", "nan", "[1]", "{\"a\": 1}", "\"", "\\", "a,b", "=1+1", "1e400", "0x1F",
            ])
        case 2: return String(repeating: pick(["x", "\u{e9}", "\n"]), count: pick([1, 100, 5000]))
        case 3: return "\0" + word() + "\u{7}\u{1B}[31m\u{7F}\u{85}\u{2028}\r\n\t"
        default: return String(String.UnicodeScalarView((0..<int(12)).map { _ in scalar() }))
        }
    }

    /// A name or key without anything odd; two may look alike.
    public mutating func word() -> String {
        switch int(8) {
        case 0: return pick(["\u{e9}", "e\u{301}", "A\u{30A}", "\u{C5}", "\u{B5}", "\u{3BC}", "\u{FB01}", "fi"])
        case 1:
            return
                "\(pick(["task", "attempt", "id", "value", "name", "status", "a b", "a,b", "a\"b", "-x", "a\\b", "a/b"]))"
        default: return "k\(int(1000))"
        }
    }

    public mutating func oddKey() -> String {
        pick([
            "", "$oid", "$x", "a.b", ".", "$numberInt", "_id", "time", "hub", "project_name",
            String(repeating: "k", count: 3000), "k\u{1}", "k\n",
        ])
    }

    private mutating func scalar() -> Unicode.Scalar {
        let limit: UInt32 = pick([0x80, 0x300, 0x370, 0x3000, 0xFFFF, 0x10FFFF])
        return Unicode.Scalar(UInt32.random(in: 0...limit, using: &self)) ?? "\u{301}"
    }

    private mutating func digits(_ count: Int) -> String { (0..<count).map { _ in "\(int(10))" }.joined() }

    private mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: bits()) } }

    public mutating func pick<Element>(_ all: [Element]) -> Element { all[int(all.count)] }

    public mutating func int(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }

    private mutating func bits() -> UInt64 { next() }
}

extension ArbitraryValue: RandomNumberGenerator {
    public mutating func next() -> UInt64 { generator.next() }
}
