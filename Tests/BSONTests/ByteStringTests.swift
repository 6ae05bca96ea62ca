import BSON
import Testing

/// Texts that `String` takes for equal, or cuts elsewhere than at their bytes.
@Suite struct ByteStringTests {
    /// Equal for `String`, in pairs; the last two are a Kelvin sign and a Greek question mark.
    static let twins = [
        ("caf\u{E9}", "cafe\u{301}"), ("\u{D55C}", "\u{1112}\u{1161}\u{11AB}"), ("\u{C5}", "\u{212B}"),
        ("K", "\u{212A}"), (";", "\u{37E}"),
    ]

    @Test(arguments: twins)
    func `Texts of other bytes are not equal, have hashes of their own and an order`(_ one: String, _ other: String) {
        #expect(one == other, "String takes them for equal")
        #expect(one.bytes != other.bytes && Set([one.bytes, other.bytes]).count == 2)
        #expect((one.bytes < other.bytes) != (other.bytes < one.bytes))
        #expect([one, other].uniqueByBytes().count == 2 && ![one].hasBytes(of: other))
        #expect(Dictionary(firstOf: [(one, 1), (other, 2), (one, 3)]) == [one.bytes: 1, other.bytes: 2])
    }

    @Test(arguments: twins)
    func `Values, documents and what is looked up in them go by bytes`(_ one: String, _ other: String) throws {
        #expect(BSONValue.string(one) != .string(other) && BSONValue.symbol(one) != .symbol(other))
        #expect(BSONValue.javaScript(one) != .javaScript(other))
        #expect(BSONValue.javaScriptWithScope(one, [:]) != .javaScriptWithScope(other, [:]))
        #expect(BSONRegularExpression(pattern: one) != BSONRegularExpression(pattern: other))
        let id = ObjectID()
        #expect(BSONDBPointer(reference: one, id: id) != BSONDBPointer(reference: other, id: id))
        #expect(Set([BSONValue.string(one), .string(other), .string(one)]).count == 2)
        let document = BSONDocument(dictionaryLiteral: (one, 1), (other, 2))
        #expect(document[one] == 1 && document[other] == 2 && document.repeatedKey == nil)
        #expect(document.withoutRepeatedKeys == document)
        #expect(BSONDocument(dictionaryLiteral: (one, 1)) != BSONDocument(dictionaryLiteral: (other, 1)))
        #expect(try BSONDocument(extendedJSON: document.extendedJSON()) == document)
    }

    @Test func `A mark is found whatever accent stands behind it`() {
        let accent = "\u{301}"
        #expect("a/\(accent)b".bytes.split(separator: "/") == ["a", "\(accent)b"])
        #expect("a/\(accent)b".bytes.contains("/") && "$\(accent)x".bytes.hasPrefix("$"))
        #expect(!"e\(accent)".bytes.hasSuffix("e") && "e\(accent)".bytes.hasPrefix("e"))
        #expect("k=\(accent)v".bytes.cut(atFirst: "=")! == ("k", "\(accent)v"))
        #expect("a/b/\(accent)c".bytes.cut(atLast: "/")! == ("a/b", "\(accent)c"))
        #expect("".bytes.split(separator: "/", omittingEmptySubsequences: false) == [""])
        #expect("a.npy".bytes.dropping(end: ".npy") == "a" && "a.npy\(accent)".bytes.dropping(end: ".npy") == nil)
    }

    @Test func `A dotted path is cut at its dots, also before an accent`() {
        let document: BSONDocument = ["a": ["\u{301}b": 1]]
        #expect(document.value(atPath: "a.\u{301}b") == 1)
    }

    @Test func `A key that only looks like one of Extended JSON's is a key`() throws {
        let document = try BSONDocument(extendedJSON: "{\"a\": {\"$min\u{212A}ey\": 1}}")
        #expect(document.value(atPath: "a.$min\u{212A}ey") == 1)
    }

    @Test func `Codable tells keys apart by their bytes`() throws {
        struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }
        struct Pair: Codable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: Key.self)
                try container.encode(1, forKey: Key(stringValue: "\u{E9}"))
                try container.encode(2, forKey: Key(stringValue: "e\u{301}"))
            }
            init() {}
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: Key.self)
                #expect(try container.decode(Int.self, forKey: Key(stringValue: "\u{E9}")) == 1)
                #expect(try container.decode(Int.self, forKey: Key(stringValue: "e\u{301}")) == 2)
                #expect(container.allKeys.count == 2)
            }
        }
        let document = try BSONEncoder().encode(Pair())
        #expect(document.count == 2)
        _ = try BSONDecoder().decode(Pair.self, from: document)
    }
}
