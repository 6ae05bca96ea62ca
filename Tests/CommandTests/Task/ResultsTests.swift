import BSON
import TensorHub
import Testing

@Suite struct ResultsTests {
    private func fill(_ fixture: CommandFixture) async throws -> [String] {
        try await fixture.store(
            ["hyper_parameters": ["n": 1, "opt": ["lr": 0.1]], "result": ["acc": 0.5]],
            ["hyper_parameters": ["n": 2], "result": ["acc": .double(.nan)]],
            ["hyper_parameters": ["n": 3], "result": ["acc": 0.9, "note": "a,\"b\""]],
            ["hyper_parameters": ["n": 4], "result": ["other": 1]],
            ["hyper_parameters": ["n": 5], "result": ["acc": 0.7]],
            ["hyper_parameters": ["n": 6], "status": "failed"]
        ).map(\.description)
    }

    @Test func `Ranks by a value with NaN and missing ones last`() async throws {
        try await withCommands { fixture in
            let ids = try await fill(fixture)
            func order(_ best: String, _ more: String...) async throws -> [String] {
                let result = try await fixture.run("tensorhub", ["results", "--best", best] + more)
                return result.lines.dropFirst().map { $0.split(separator: " ")[1].description }
            }
            #expect(try await order("acc") == [ids[2], ids[4], ids[0], ids[1], ids[3]])
            #expect(try await order("acc:max", "--top", "2") == [ids[2], ids[4]])
            #expect(try await order("acc:min") == [ids[0], ids[4], ids[2], ids[1], ids[3]])
            #expect(try await order("n:min").first == ids[0])
        }
    }

    @Test func `Writes a column for every value as CSV`() async throws {
        try await withCommands { fixture in
            let ids = try await fill(fixture)
            let result = try await fixture.run("results", "--csv")
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.line(0) == "id,name,status,number,n,opt.lr,acc,note,other")
            #expect(result.line(1) == "\(ids[0]),,finished,,1,0.1,0.5,,")
            #expect(result.line(2) == "\(ids[1]),,finished,,2,,NaN,,")
            #expect(result.line(3) == "\(ids[2]),,finished,,3,,0.9,\"a,\"\"b\"\"\",")
            #expect(result.lines.count == 6)
        }
    }

    @Test func `Writes valid JSON even for NaN`() async throws {
        try await withCommands { fixture in
            _ = try await fill(fixture)
            let result = try await fixture.run("results", "--json", "--best", "acc")
            let rows = try #require(try BSONValue(extendedJSON: result.output).arrayValue).compactMap(\.documentValue)
            #expect(rows.map(\.keys) == Array(repeating: ["_id", "status", "hyper_parameters", "result"], count: 5))
            #expect(result.output.contains(#"{"$numberDouble": "NaN"}"#))
        }
    }

    @Test func `A name that is both parameter and result says which it is`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["hyper_parameters": ["lr": 1], "result": ["lr": 2]])
            let result = try await fixture.run("results", "--csv")
            #expect(result.line(0) == "id,name,status,number,hyper_parameters.lr,result.lr")
        }
    }

    @Test func `Says what there is when nothing is finished`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["status": "pending"], ["status": "failed"])
            let result = try await fixture.run("results")
            #expect(result.status == 3)
            #expect(result.errors.contains("1 pending, 1 failed"))
            #expect(try await fixture.run("results", "--status", "failed").status == 0)
        }
    }

    @Test func `An unknown value to rank by names those that there are`() async throws {
        try await withCommands { fixture in
            _ = try await fill(fixture)
            let result = try await fixture.run("results", "--best", "accuracy")
            #expect(result.status == 3)
            #expect(result.errors.contains("acc, note, other"))
        }
    }

    @Test(arguments: [
        ["--best", "acc:best"], ["--best", ""], ["--top", "3"], ["--best", "acc", "--top", "0"], ["--csv", "--json"],
    ])
    func `Refuses bad input`(_ arguments: [String]) async throws {
        try await withCommands { fixture in
            _ = try await fill(fixture)
            let result = try await fixture.run("tensorhub", ["results"] + arguments)
            #expect(result.status == 2, "\(result.errors)")
        }
    }
}
