import BSON
import Testing

@Suite struct HostileInputTests {
    /// The constant of the validator, seen from outside.
    private let maximumDepth = 200

    /// Documents (3), arrays (4) or scopes of code (15) inside each other, `depth` levels with the outermost.
    private func nested(_ type: UInt8, depth: Int) -> [UInt8] {
        // Level 0 is the innermost. Each level adds length, type, key and closing zero; a code has a header of its own.
        let sizes = (0..<depth).map { 5 + (type == 15 ? 17 : 8) * $0 }
        var bytes: [UInt8] = []
        func append(_ number: Int) {
            for index in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
        }
        for level in (0..<depth).reversed() {
            append(sizes[level])
            guard level > 0 else { break }
            bytes += [type, UInt8(ascii: "0"), 0]
            if type == 15 {
                append(sizes[level - 1] + 9)
                append(1)
                bytes.append(0)
            }
        }
        return bytes + [UInt8](repeating: 0, count: depth)
    }

    @Test(arguments: [3, 4, 15] as [UInt8])
    func `Nesting up to the limit is fully usable`(type: UInt8) throws {
        let document = try BSONDocument(bytes: nested(type, depth: maximumDepth))
        #expect(try BSONDocument(validatingStructureOf: document.bytes) == document)
        #expect(try BSONDocument(extendedJSON: document.extendedJSON(.canonical)) == document)
        #expect(try BSONDocument(extendedJSON: document.extendedJSON(.relaxed, pretty: true)) == document)
        #expect(BSONDocument(elements: document.map { ($0.key, $0.value) }) == document)
    }

    @Test(arguments: [3, 4, 15] as [UInt8], [201, 202, 1000, 100_000])
    func `Deeper nesting is an error`(type: UInt8, depth: Int) {
        let bytes = nested(type, depth: depth)
        #expect(throws: BSONError.self) { try BSONDocument(bytes: bytes) }
        #expect(throws: BSONError.self) { try BSONDocument(validatingStructureOf: bytes) }
    }

    @Test(arguments: ["[", #"{"a":"#, #"{"$scope":"#, #"{"$code":"","$scope":"#, #"{"$timestamp":"#, #"[{"$symbol":"#])
    func `Deeply nested text is an error`(opening: String) {
        for count in [410, 100_000] {
            let text = String(repeating: opening, count: count)
            let error = #expect(throws: BSONError.self) { try BSONValue(extendedJSON: text) }
            #expect(error?.message.contains("nest deeper than 200 levels") == true)
        }
    }

    @Test func `The text limit is the limit of the bytes`() throws {
        for (opening, closing) in [("[", "]"), (#"{"a":"#, "}"), (#"{"$scope":"#, "}")] {
            func text(_ depth: Int) -> String {
                #"{"a":"# + String(repeating: opening, count: depth - 1) + #"{"$timestamp":{"t":1,"i":1}}"#
                    + String(repeating: closing, count: depth - 1) + "}"
            }
            let document = try BSONDocument(extendedJSON: text(maximumDepth))
            #expect(throws: Never.self) { try BSONDocument(bytes: document.bytes) }
            #expect(throws: BSONError.self) { try BSONDocument(extendedJSON: text(maximumDepth + 1)) }
        }
    }

    @Test func `Every prefix of a large document is an error`() throws {
        let parts = Corpus.cases("valid").filter { $0.file.hasPrefix("multi-type") || $0.file.hasPrefix("code_w") }
        let documents = try parts.map { try BSONDocument(bytes: try #require($0.bytes("canonical_bson"))) }
        try #require(!documents.isEmpty)
        let large = BSONDocument(elements: (0..<20).map { ("part\($0)", .document(documents[$0 % documents.count])) })
        for count in 0..<large.bytes.count {
            var bytes = Array(large.bytes[..<count])
            #expect(throws: BSONError.self) { try BSONDocument(bytes: bytes) }
            #expect(throws: BSONError.self) { try BSONDocument(validatingStructureOf: bytes) }
            // With the right length and end, what remains is valid only where it was cut between two elements.
            Mutation.repairLength(&bytes)
            if let cut = try? BSONDocument(bytes: bytes) {
                #expect(cut.count < large.count || count == large.bytes.count)
            }
        }
    }

    @Test func `Invalid text is readable only from a server`() throws {
        let bytes: [UInt8] = [0x0E, 0, 0, 0, 0x02, 0x61, 0, 2, 0, 0, 0, 0xE9, 0, 0]
        #expect(throws: BSONError.self) { try BSONDocument(bytes: bytes) }
        let document = try BSONDocument(validatingStructureOf: bytes)
        #expect(document["a"] == "\u{FFFD}")
        #expect(document.bytes == bytes)
    }

    @Test func `Extreme times and numbers print`() throws {
        for number in [Int64.min, .min + 1, -1, 0, .max] {
            let document: BSONDocument = ["t": .dateTime(.init(millisecondsSince1970: number)), "n": .int64(number)]
            #expect(try BSONDocument(extendedJSON: document.extendedJSON(.canonical)) == document)
            #expect(!BSONDateTime(millisecondsSince1970: number).iso8601.isEmpty)
        }
    }
}
