import BSON
import Testing

@Suite struct MutationTests {
    private static let seeds: [UInt64] = Array(1...8)
    private static let rounds = 25_000

    @Test(arguments: seeds)
    func `Damaged bytes are refused or fully usable`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let originals = Corpus.cases("valid").compactMap { $0.bytes("canonical_bson") }
        try #require(!originals.isEmpty)
        var accepted = 0
        for round in 0..<Self.rounds {
            var bytes = try #require(originals.randomElement(using: &generator))
            let other = try #require(originals.randomElement(using: &generator))
            Mutation.mutate(&bytes, with: other, using: &generator)
            if Bool.random(using: &generator) { Mutation.repairLength(&bytes) }

            let strict = try? BSONDocument(bytes: bytes)
            guard let lenient = try? BSONDocument(validatingStructureOf: bytes) else {
                #expect(strict == nil, "seed \(seed), round \(round): only the strict check accepts")
                continue
            }
            accepted += 1
            let walk = Walk(lenient)
            #expect(walk.isComplete, "seed \(seed), round \(round): the iteration ended early")
            for mode in [ExtendedJSONMode.canonical, .relaxed] {
                let text = lenient.extendedJSON(mode)
                let reread = try? BSONDocument(extendedJSON: text)
                // A document whose own keys begin with a dollar can look like a wrapper.
                if walk.hasDollarKey { continue }
                #expect(reread?.extendedJSON(mode) == text, "seed \(seed), round \(round)")
            }
        }
        #expect(accepted > Self.rounds / 50)
    }

    @Test(arguments: seeds)
    func `Damaged text is refused or becomes valid bytes`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let originals = Corpus.cases("valid").compactMap { $0.text("canonical_extjson").map { Array($0.utf8) } }
        try #require(!originals.isEmpty)
        var accepted = 0
        for round in 0..<(Self.rounds / 5) {
            var bytes = try #require(originals.randomElement(using: &generator))
            let other = try #require(originals.randomElement(using: &generator))
            Mutation.mutate(&bytes, with: other, using: &generator)
            guard let document = try? BSONDocument(extendedJSON: bytes) else { continue }
            accepted += 1
            #expect(throws: Never.self, "seed \(seed), round \(round)") { try BSONDocument(bytes: document.bytes) }
        }
        #expect(accepted > Self.rounds / 500)
    }
}

/// Visits everything in a document.
private struct Walk {
    var hasDollarKey = false
    /// Whether every level was read to its end.
    var isComplete = true

    init(_ document: BSONDocument) { visit(document) }

    /// An element added at the end is seen only by a walk that does not stop early.
    private mutating func visit(_ document: BSONDocument) {
        var marked = document
        marked.append("end mark", .minKey)
        var last: String?
        for (key, value) in marked {
            hasDollarKey = hasDollarKey || key.hasPrefix("$")
            last = key
            visit(value)
        }
        isComplete = isComplete && last == "end mark"
    }

    private mutating func visit(_ value: BSONValue) {
        switch value {
        case .document(let document): visit(document)
        case .array(let values): for value in values { visit(value) }
        case .javaScriptWithScope(_, let scope): visit(scope)
        default: break
        }
    }
}
