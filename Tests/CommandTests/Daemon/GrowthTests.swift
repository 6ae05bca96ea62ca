import BSON
import Console
import MongoDriver
import TensorHub
import Testing

/// What takes time in proportion to the size of its input, and not to its square.
@Suite struct GrowthTests {
    /// The shortest of several tries, since others use the machine too.
    private func time(_ body: () async throws -> Void) async rethrows -> Duration {
        var best = Duration.seconds(3600)
        for _ in 0..<3 {
            let start = ContinuousClock.now
            try await body()
            best = min(best, ContinuousClock.now - start)
        }
        return best
    }

    /// What is eight times as large takes eight times as long; by its square it would be 64 times. The least of several
    /// tries, since a machine that others load may be slow in one half of a try alone.
    private func growth(_ small: Int, _ body: (Int) async throws -> Void) async rethrows -> Double {
        var least = Double.infinity
        for _ in 0..<5 where least >= Self.limit {
            let before = try await time { try await body(small) }
            least = min(least, try await time { try await body(8 * small) } / before)
        }
        return least
    }

    private static let limit: Double = 40

    @Test func `A table is fitted into the terminal in proportion to its columns`() async {
        let growth = await growth(2000) { count in
            var table = Table((0..<count).map { .init("c\($0)", isElastic: true) })
            table.rows = [Array(repeating: String(repeating: "x", count: 40), count: count)]
            #expect(!table.text(width: 80).isEmpty)
        }
        #expect(growth < Self.limit)
    }

    @Test func `Elastic columns are cut as one step after the other would`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let widths = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
                Int.random(in: 1...40, using: &generator)
            }
            let isElastic = widths.map { _ in Bool.random(using: &generator) }
            let width = Int.random(in: 1...120, using: &generator)
            var table = Table(zip(widths, isElastic).map { .init(String(repeating: "t", count: $0), isElastic: $1) })
            table.rows = []
            var expected = widths
            while expected.reduce(0, +) + 2 * (widths.count - 1) > width {
                let cuttable = widths.indices.filter { isElastic[$0] && expected[$0] > 8 }
                guard let widest = cuttable.max(by: { expected[$0] < expected[$1] }) else { break }
                expected[widest] -= 1
            }
            let found = table.text(width: width).dropLast().split(separator: "  ").map(\.count)
            #expect(found == expected, "\(widths) \(isElastic) \(width)")
        }
    }

    @Test func `Keys are looked for in proportion to their number`() async {
        let growth = await growth(4000) { count in
            let twice = BSONDocument(elements: (0..<count).map { ("k\($0 % (count / 2))", .int32(Int32($0))) })
            #expect(twice.repeatedKey == "k0")
            #expect(twice.withoutRepeatedKeys.count == count / 2)
        }
        #expect(growth < Self.limit)
    }

    @Test func `Files of a task are checked in proportion to their number`() async throws {
        let growth = try await growth(1000) { count in
            var spec = TaskSpec(script: "pass")
            spec.files = (0..<count).map { TaskFile(path: "a/f\($0)", data: [1]) }
            try spec.validate()
        }
        #expect(growth < Self.limit)
    }

    @Test func `Results and lists of many hyper-parameters, and waits for many ids, do not grow with the square`()
        async throws
    {
        try await withCommands { fixture in
            for command in [["results", "--status", "failed"], ["results", "--status", "failed", "--csv"], ["ls"]] {
                let growth = try await growth(1000) { count in
                    _ = try await fixture.tasks.deleteMany([:])
                    let values = BSONDocument(elements: (0..<count).map { ("parameter\($0)", .int32(1)) })
                    try await fixture.store(["hyper_parameters": .document(values), "status": "failed"])
                    let result = try await fixture.run("tensorhub", command)
                    #expect(result.status == 0 && result.output.utf8.count > 10 * count, "\(result.errors)")
                }
                #expect(growth < Self.limit, "\(command)")
            }
            _ = try await fixture.tasks.deleteMany([:])
            let documents = (0..<16_000).map { _ -> BSONDocument in
                ["_id": .objectID(ObjectID()), "project_name": "test", "status": "finished"]
            }
            _ = try await fixture.tasks.insertMany(documents)
            let ids = documents.compactMap { $0["_id"]?.objectIDValue }.map { "\($0)\n" }
            let growth = try await growth(2000) { count in
                let result = try await fixture.run("wait", "-", "--quiet", input: ids.prefix(count).joined())
                #expect(result.status == 0, "\(result.errors)")
            }
            #expect(growth < Self.limit)
        }
    }
}
