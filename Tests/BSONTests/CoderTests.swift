import BSON
import Foundation
import Testing

@Suite struct CoderTests {
    private struct Everything: Codable, Equatable {
        enum Kind: String, Codable { case one, two }
        enum Choice: Codable, Equatable {
            case number(Int)
            case pair(a: String, b: [Double])
            case nothing
        }

        var flag = true
        var text = "é"
        var double = 1.5
        var float: Float = 0.1
        var int = Int.max
        var int8: Int8 = -8
        var int16: Int16 = 16
        var int32 = Int32.min
        var int64: Int64 = -64
        var uint: UInt = 1
        var uint8: UInt8 = 255
        var uint16: UInt16 = 65_535
        var uint32 = UInt32.max
        var uint64: UInt64 = 64
        var missing: Int?
        var present: Int? = 3
        var array = [[1], [], [2, 3]]
        var optionals: [String?] = ["a", nil]
        var dictionary = ["k": 1]
        var numbered = [3: "three"]
        var kind = Kind.two
        var choices = [Choice.number(1), .pair(a: "x", b: [0.5]), .nothing]
        var date = Date(timeIntervalSince1970: 1_700_000_000.25)
        var data = Data([1, 2, 3])
        var bytes: [UInt8] = [1, 2]
        var url = URL(string: "https://example.org/a")
        var value: BSONValue = ["x": [1, nil, .minKey]]
        var document: BSONDocument = ["y": 2]
        var id = ObjectID()
        var time = BSONDateTime(millisecondsSince1970: -5)
        var binary = BSONBinary(subtype: 4, bytes: [9])
        var decimal = Decimal128("1.10")
        var stamp = BSONTimestamp(seconds: 1, increment: 2)
        var expression = BSONRegularExpression(pattern: "^a", options: "i")
        var pointer = BSONDBPointer(reference: "c", id: ObjectID())
    }

    @Test func `Everything survives`() throws {
        let value = Everything()
        let document = try BSONEncoder().encode(value)
        #expect(try BSONDocument(bytes: document.bytes) == document)
        #expect(try BSONDecoder().decode(Everything.self, from: document) == value)
    }

    @Test func `Types are stored as themselves`() throws {
        let document = try BSONEncoder().encode(Everything())
        #expect(document["int"] == .int64(.max))
        #expect(document["int32"] == .int32(.min))
        #expect(document["uint32"] == .int64(4_294_967_295))
        #expect(document["uint8"] == .int32(255))
        #expect(document["date"] == .dateTime(.init(millisecondsSince1970: 1_700_000_000_250)))
        #expect(document["data"] == .binary(.init(bytes: [1, 2, 3])))
        #expect(document["id"]?.objectIDValue != nil)
        #expect(document["stamp"]?.type == .timestamp)
        #expect(document["value"] == ["x": [1, nil, .minKey]])
        #expect(document["missing"] == nil)
        #expect(document["optionals"] == ["a", nil])
    }

    @Test func `BSON types survive other coders`() throws {
        struct Types: Codable, Equatable {
            var id = ObjectID()
            var document: BSONDocument = [
                "n": nil, "d": .double(1), "l": .int64(5), "t": .dateTime(.init(millisecondsSince1970: 7)),
            ]
            var binary = BSONBinary(subtype: 0, bytes: [1])
            var value: BSONValue = .maxKey
        }
        let types = Types()
        let json = try JSONEncoder().encode(types)
        let read = try JSONDecoder().decode(Types.self, from: json)
        #expect(read.id == types.id)
        #expect(read.binary == types.binary)
        #expect(read.value == types.value)
        #expect(Set(read.document.keys) == Set(types.document.keys))
        for key in types.document.keys { #expect(read.document[key] == types.document[key]) }
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(ObjectID.self, from: Data(#"{"$oid": 1}"#.utf8))
        }
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(ObjectID.self, from: Data(#""a""#.utf8)) }
    }

    private class Base: Codable {
        var base = 1
    }

    private final class Derived: Base {
        var derived = [2]
        enum Keys: CodingKey { case derived, nested, list }
        enum Inner: CodingKey { case x }

        override init() { super.init() }

        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            derived = try container.decode([Int].self, forKey: .derived)
            let nested = try container.nestedContainer(keyedBy: Inner.self, forKey: .nested)
            #expect(try nested.decode(Int.self, forKey: .x) == 5)
            var list = try container.nestedUnkeyedContainer(forKey: .list)
            #expect(list.count == 3)
            #expect(try !list.decodeNil())
            #expect(try list.decode(String.self) == "first")
            #expect(try list.decodeNil())
            var innermost = try list.nestedUnkeyedContainer()
            #expect(innermost.isAtEnd)
            #expect(throws: DecodingError.self) { try innermost.decode(Int.self) }
            try super.init(from: container.superDecoder())
        }

        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Keys.self)
            var nested = container.nestedContainer(keyedBy: Inner.self, forKey: .nested)
            var list = container.nestedUnkeyedContainer(forKey: .list)
            try container.encode(derived, forKey: .derived)
            try nested.encode(5, forKey: .x)
            try list.encode("first")
            try list.encodeNil()
            _ = list.nestedUnkeyedContainer()
            try super.encode(to: container.superEncoder())
        }
    }

    @Test func `Nested containers and superclasses survive`() throws {
        let value = Derived()
        value.base = 7
        value.derived = [8, 9]
        let document = try BSONEncoder().encode(value)
        #expect(
            document == [
                "nested": ["x": .int64(5)], "list": ["first", nil, []], "derived": [.int64(8), .int64(9)],
                "super": ["base": .int64(7)],
            ]
        )
        let read = try BSONDecoder().decode(Derived.self, from: document)
        #expect(read.base == 7)
        #expect(read.derived == [8, 9])
    }

    @Test func `Numbers convert only where nothing is lost`() throws {
        let decoder = BSONDecoder()
        #expect(try decoder.decodeValue(Int.self, from: .double(3)) == 3)
        #expect(try decoder.decodeValue(UInt8.self, from: .int64(255)) == 255)
        #expect(try decoder.decodeValue(Double.self, from: .int32(3)) == 3)
        #expect(try decoder.decodeValue(Float.self, from: .double(0.1)) == 0.1)
        for value in [BSONValue.double(3.5), .double(.nan), .double(1e30), .int64(.max)] {
            #expect(throws: DecodingError.self) { try decoder.decodeValue(Int32.self, from: value) }
        }
        #expect(throws: DecodingError.self) { try decoder.decodeValue(UInt.self, from: .int32(-1)) }
        #expect(throws: DecodingError.self) { try decoder.decodeValue(Double.self, from: .int64(.max)) }
        #expect(throws: DecodingError.self) { try decoder.decodeValue(Float.self, from: .int32(.max)) }
        #expect(throws: DecodingError.self) { try decoder.decodeValue(Int.self, from: "3") }
    }

    @Test func `Bytes read from a binary too`() throws {
        #expect(try BSONDecoder().decodeValue([UInt8].self, from: .binary(.init(bytes: [1, 2]))) == [1, 2])
    }

    @Test func `Decoding errors name the path`() throws {
        struct Outer: Decodable { var list: [Inner] }
        struct Inner: Decodable { var x: Int }
        func path(_ document: BSONDocument) -> String {
            let error = #expect(throws: DecodingError.self) { try BSONDecoder().decode(Outer.self, from: document) }
            switch error {
            case .typeMismatch(_, let context), .valueNotFound(_, let context):
                return context.codingPath.map(\.stringValue).joined(separator: ".")
            case .keyNotFound(let key, let context):
                return (context.codingPath + [key]).map(\.stringValue).joined(separator: ".") + " missing"
            default: return "another error"
            }
        }
        #expect(path(["list": [["x": 1], ["x": "a"]]]) == "list.1.x")
        #expect(path(["list": [["x": nil]]]) == "list.0.x")
        #expect(path(["list": [[:]]]) == "list.0.x missing")
        #expect(path(["list": 1]) == "list")
    }

    @Test func `What BSON cannot store is an encoding error`() throws {
        let encoder = BSONEncoder()
        do {
            _ = try encoder.encode(["a": ["b\0": 1]])
            Issue.record("a NUL in a key was accepted")
        } catch EncodingError.invalidValue(_, let context) {
            #expect(context.codingPath.map(\.stringValue) == ["a"])
        }
        #expect(throws: EncodingError.self) { try encoder.encode(["a": UInt64.max]) }
        #expect(throws: EncodingError.self) { try encoder.encode(["a": BSONRegularExpression(pattern: "\0")]) }
        #expect(throws: EncodingError.self) { try encoder.encode([1, 2]) }
        #expect(throws: EncodingError.self) { try encoder.encode("text") }
        #expect(try encoder.encodeValue([1, 2]) == [.int64(1), .int64(2)])
    }

    private indirect enum Chain: Encodable {
        case end
        case link(Chain)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.unkeyedContainer()
            if case .link(let next) = self { try container.encode(next) }
        }
    }

    @Test func `Values that nest too deeply are an encoding error`() throws {
        func chain(_ depth: Int) -> [String: Chain] {
            ["a": (2..<depth).reduce(.end) { chain, _ in .link(chain) }]
        }
        let document = try BSONEncoder().encode(chain(200))
        #expect(throws: Never.self) { try BSONDocument(bytes: document.bytes) }
        #expect(throws: EncodingError.self) { try BSONEncoder().encode(chain(201)) }
    }

    @Test func `User info reaches the values`() throws {
        struct Probe: Codable {
            static let key = CodingUserInfoKey(rawValue: "probe")!
            var seen: String?
            init() {}
            init(from decoder: any Decoder) throws { seen = decoder.userInfo[Self.key] as? String }
            func encode(to encoder: any Encoder) throws {
                try (encoder.userInfo[Self.key] as? String).encode(to: encoder)
            }
        }
        var encoder = BSONEncoder()
        encoder.userInfo[Probe.key] = "in"
        #expect(try encoder.encodeValue(Probe()) == "in")
        var decoder = BSONDecoder()
        decoder.userInfo[Probe.key] = "out"
        #expect(try decoder.decodeValue(Probe.self, from: nil).seen == "out")
    }
}
