import BSON
import Testing

@Suite struct DocumentTests {
    private let document: BSONDocument = [
        "hub": ["lease": ["runner": "r"]], "history": [["end": 1], ["end": 2]], "a": 1, "": ["": 3], "a.b": 4,
    ]

    @Test(
        arguments: [
            ("hub.lease.runner", "r"), ("history.1.end", 2), ("a", 1), (".", 3), ("history.0", ["end": 1]),
        ] as [(String, BSONValue)]
    )
    func `A path leads to its value`(path: String, value: BSONValue) {
        #expect(document.value(atPath: path) == value)
    }

    @Test(arguments: [
        "hub.lease.token", "history.2.end", "history.-1", "history.x", "a.b", "b", "hub.", "hub..lease", "a.",
    ])
    func `A path to nowhere is nil`(path: String) {
        #expect(document.value(atPath: path) == nil)
    }

    @Test func `Setting replaces in place appends and removes`() throws {
        var document: BSONDocument = ["a": 1, "b": 2]
        document["a"] = "longer than before"
        document["c"] = 3
        document["b"] = nil
        document["nothing"] = nil
        #expect(document == ["a": "longer than before", "c": 3])
        #expect(try BSONDocument(bytes: document.bytes).keys == ["a", "c"])
    }

    @Test func `The first of repeated keys is found`() {
        let document = BSONDocument(elements: [("a", 1), ("a", 2)])
        #expect(document["a"] == 1)
        #expect(document.count == 2)
    }

    @Test func `Keys that are the same to people but not in bytes are different`() {
        let document: BSONDocument = ["e\u{301}": 1]
        #expect(document["\u{E9}"] == nil)
        #expect(document["e\u{301}"] == 1)
    }

    @Test func `Identifiers made on many threads are unique`() async {
        let count = 20_000
        let all = await withTaskGroup(of: [ObjectID].self) { group in
            for _ in 0..<8 { group.addTask { (0..<count).map { _ in ObjectID() } } }
            return await group.reduce(into: Set<ObjectID>()) { $0.formUnion($1) }
        }
        #expect(all.count == 8 * count)
        #expect(Set(all.map { $0.bytes[4..<9] }).count == 1)
    }

    @Test func `An identifier survives its text`() throws {
        let id = ObjectID()
        #expect(ObjectID(id.description) == id)
        #expect(ObjectID(bytes: id.bytes) == id)
        #expect(ObjectID(id.description.uppercased()) == id)
        #expect(id.secondsSince1970 > 1_700_000_000)
        for text in ["", "12", "g6e1fc72e0c917e9c4714161", "56e1fc72e0c917e9c4714161 "] {
            #expect(ObjectID(text) == nil)
        }
    }

    @Test(arguments: ["1E+6144", "1E-6176", "-0", "0E+6111", "1234567890123456789012345678901234", "12.50", "Infinity"])
    func `Decimal text survives`(text: String) throws {
        let number = try #require(Decimal128(text))
        #expect(Decimal128(number.description) == number)
    }

    @Test(arguments: ["1E+6145", "1E-6177", "12345678901234567890123456789012345", "1e99999999999999999999", "1 "])
    func `Decimal text that does not fit is refused`(text: String) {
        #expect(Decimal128(text) == nil)
    }

    @Test func `Very long decimal text is read without rounding`() {
        let zeros = String(repeating: "0", count: 100_000)
        #expect(Decimal128("0." + zeros + "1") == nil)
        #expect(Decimal128(zeros + "1." + zeros) == Decimal128("1.000000000000000000000000000000000"))
    }
}
