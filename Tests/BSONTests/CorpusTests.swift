import BSON
import Testing

/// The corpus by the rules of its own README. Nothing is left out, except that a lossy case is not compared on the way
/// back: its text does not say all that its bytes do.
@Suite struct CorpusTests {
    @Test func `The corpus is there`() throws {
        #expect(try Corpus.load().count >= 31)
        #expect(Corpus.cases("valid").count >= 718)
        #expect(Corpus.cases("decodeErrors").count >= 75)
        #expect(Corpus.cases("parseErrors").count >= 180)
    }

    @Test(arguments: Corpus.cases("valid"))
    func `Canonical bytes survive decoding and encoding`(_ test: Corpus.Case) throws {
        let bytes = try #require(test.bytes("canonical_bson"))
        let document = try BSONDocument(bytes: bytes)
        #expect(document.bytes == bytes)
        #expect(BSONDocument(elements: rebuilt(document)).bytes == bytes)
        #expect(try BSONDocument(validatingStructureOf: bytes) == document)
    }

    @Test(arguments: Corpus.cases("valid"))
    func `Bytes print as canonical text`(_ test: Corpus.Case) throws {
        let document = try BSONDocument(bytes: try #require(test.bytes("canonical_bson")))
        let expected = try #require(test.text("canonical_extjson"))
        #expect(try plain(document.extendedJSON(.canonical)) == plain(expected))
        #expect(try plain(document.extendedJSON(.canonical, pretty: true)) == plain(expected))
    }

    @Test(arguments: Corpus.cases("valid"))
    func `Canonical text reads as the same bytes`(_ test: Corpus.Case) throws {
        let text = try #require(test.text("canonical_extjson"))
        let document = try BSONDocument(extendedJSON: text)
        #expect(try plain(document.extendedJSON(.canonical)) == plain(text))
        guard !test.isLossy else { return }
        #expect(document.bytes == test.bytes("canonical_bson"))
    }

    @Test(arguments: Corpus.cases("valid").filter { $0.text("relaxed_extjson") != nil })
    func `Relaxed text survives`(_ test: Corpus.Case) throws {
        let document = try BSONDocument(bytes: try #require(test.bytes("canonical_bson")))
        let text = try #require(test.text("relaxed_extjson"))
        #expect(try plain(document.extendedJSON(.relaxed)) == plain(text))
        #expect(try plain(BSONDocument(extendedJSON: text).extendedJSON(.relaxed)) == plain(text))
    }

    @Test(arguments: Corpus.cases("valid").filter { $0.text("degenerate_bson") != nil })
    func `Degenerate bytes become canonical`(_ test: Corpus.Case) throws {
        let document = try BSONDocument(bytes: try #require(test.bytes("degenerate_bson")))
        #expect(BSONDocument(elements: rebuilt(document)).bytes == test.bytes("canonical_bson"))
        #expect(try plain(document.extendedJSON(.canonical)) == plain(try #require(test.text("canonical_extjson"))))
    }

    @Test(arguments: Corpus.cases("valid").filter { $0.text("degenerate_extjson") != nil })
    func `Degenerate text becomes canonical`(_ test: Corpus.Case) throws {
        let document = try BSONDocument(extendedJSON: try #require(test.text("degenerate_extjson")))
        #expect(try plain(document.extendedJSON(.canonical)) == plain(try #require(test.text("canonical_extjson"))))
        guard !test.isLossy else { return }
        #expect(document.bytes == test.bytes("canonical_bson"))
    }

    /// For drivers that have no deprecated types. This one has them; the converted forms must be valid all the same.
    @Test(arguments: Corpus.cases("valid").filter { $0.text("converted_bson") != nil })
    func `Converted forms agree`(_ test: Corpus.Case) throws {
        let document = try BSONDocument(bytes: try #require(test.bytes("converted_bson")))
        let text = try #require(test.text("converted_extjson"))
        #expect(try plain(document.extendedJSON(.canonical)) == plain(text))
        #expect(try BSONDocument(extendedJSON: text) == document)
    }

    @Test(arguments: Corpus.cases("decodeErrors"))
    func `Invalid bytes are refused`(_ test: Corpus.Case) throws {
        let bytes = try #require(test.bytes("bson"))
        let error = #expect(throws: BSONError.self) { try BSONDocument(bytes: bytes) }
        #expect(error?.code == .malformedBytes)
    }

    @Test(arguments: Corpus.cases("parseErrors"))
    func `Invalid text is refused`(_ test: Corpus.Case) throws {
        let text = try #require(test.text("string"))
        switch test.type {
        case "0x13": #expect(Decimal128(text) == nil)
        default:
            let error = #expect(throws: BSONError.self) { try BSONDocument(extendedJSON: text) }
            #expect(error?.code == .malformedJSON || error?.code == .unrepresentable)
        }
    }

    private func plain(_ text: String) throws -> BSONDocument {
        try BSONDocument(extendedJSON: text, options: .init(plain: true))
    }

    /// Every value decoded and encoded anew, at every level.
    private func rebuilt(_ document: BSONDocument) -> [(String, BSONValue)] {
        document.map { ($0.key, rebuilt($0.value)) }
    }

    private func rebuilt(_ value: BSONValue) -> BSONValue {
        switch value {
        case .document(let document): .document(BSONDocument(elements: rebuilt(document)))
        case .array(let values): .array(values.map(rebuilt))
        case .javaScriptWithScope(let code, let scope):
            .javaScriptWithScope(code, BSONDocument(elements: rebuilt(scope)))
        default: value
        }
    }
}
