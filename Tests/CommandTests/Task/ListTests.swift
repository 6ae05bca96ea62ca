import BSON
import TensorHub
import Testing

@Suite struct ListTests {
    @Test func `Lists the newest last`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(
                ["task_name": "a", "hyper_parameters": ["lr": 0.1], "result": ["acc": 0.9]],
                ["task_name": "b", "status": "failed", "hub": ["attempt": 2, "error": ["message": "exit status 3"]]]
            )
            let result = try await fixture.run("ls")
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.lines.count == 3)
            #expect(result.line(0).hasPrefix("ID"))
            #expect(result.line(1).hasPrefix("\(ids[0])  a     finished"))
            #expect(result.line(1).hasSuffix("lr=0.1            acc=0.9"))
            #expect(result.line(2).hasSuffix("exit status 3"))
            #expect(result.errors.isEmpty)
        }
    }

    @Test func `Writes documents without scripts as JSON`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["result": ["loss": .double(.nan)]], ["result": ["loss": 1]])
            let result = try await fixture.run("ls", "--json")
            let documents = try #require(try BSONValue(extendedJSON: result.output).arrayValue).compactMap(
                \.documentValue
            )
            #expect(documents.count == 2)
            #expect(documents.allSatisfy { $0["script"] == nil && $0["_id"]?.objectIDValue != nil })
            #expect(documents[0].value(atPath: "result.loss")?.doubleValue?.isNaN == true)
        }
    }

    @Test func `Selects by id, name, status and filter`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(
                ["task_name": "a", "hyper_parameters": ["lr": 0.1]],
                ["task_name": "a", "hyper_parameters": ["lr": 0.5]],
                ["task_name": "b", "status": "pending"]
            ).map(\.description)
            func quiet(_ arguments: String..., input: String = "") async throws -> [String] {
                try await fixture.run("tensorhub", ["ls", "-q"] + arguments, input: input).lines
            }
            #expect(try await quiet(ids[1]) == [ids[1]])
            #expect(try await quiet("-", input: "\(ids[2])\n\n\(ids[0])\n") == [ids[0], ids[2]])
            #expect(try await quiet("--name", "a") == [ids[0], ids[1]])
            #expect(try await quiet("--name", "a", "--name", "b", "--status", "pending,running") == [ids[2]])
            #expect(try await quiet("--filter", #"{"hyper_parameters.lr": {"$gt": 0.2}}"#) == [ids[1]])
            #expect(try await quiet("--sort", "hyper_parameters.lr:-1", "--name", "a") == [ids[1], ids[0]])
        }
    }

    @Test func `Keeps to the limit and says so`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store([:], [:], [:]).map(\.description)
            let result = try await fixture.run("ls", "-q", "--limit", "2")
            #expect(result.lines == [ids[1], ids[2]])
            #expect(result.errors.contains("only the newest 2"))
            #expect(try await fixture.run("ls", "-q", "--limit", "0").lines == ids)
        }
    }

    @Test func `The newest of one second are those of the latest times`() async throws {
        try await withCommands { fixture in
            // As of several programs, whose identifiers begin with the second and go on at random.
            let ids = ["6553f0ff0000", "65f0f0ffffff", "65f0f0ff7777", "65f0f0ff0000", "65f0f0ff8888"].map {
                "\($0)000000000000"
            }
            for (place, id) in ids.enumerated() {
                let time = BSONDateTime(millisecondsSince1970: 1_710_289_151_000 + Int64(place))
                let name = place == 4 ? "b" : "a"
                try await fixture.store([
                    "_id": .objectID(try #require(ObjectID(id))), "time": .dateTime(time), "task_name": .string(name),
                ])
            }
            func quiet(_ limit: Int) async throws -> [String] {
                try await fixture.run("ls", "-q", "--name", "a", "--limit", "\(limit)").lines
            }
            #expect(try await quiet(1) == [ids[3]])
            #expect(try await quiet(2) == [ids[2], ids[3]])
            #expect(try await quiet(3) == [ids[1], ids[2], ids[3]])
            #expect(try await quiet(4) == [ids[0], ids[1], ids[2], ids[3]])
        }
    }

    @Test func `No match has its own status`() async throws {
        try await withCommands { fixture in
            let result = try await fixture.run("ls", "--json", "--name", "nobody")
            #expect(result.status == 3)
            #expect(result.output == "[]\n")
            #expect(result.errors == "tensorhub: no task matches; no task of project test is named 'nobody'\n")
            try await fixture.store(["task_name": "somebody"])
            let near = try await fixture.run("results", "--name", "sombody")
            #expect(near.status == 3 && near.errors.hasSuffix("did you mean 'somebody'?\n"), "\(near.errors)")
        }
    }

    @Test func `Control characters of a document do not reach the terminal`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["task_name": "\u{1B}[2Jevil\nname"])
            let result = try await fixture.run("ls")
            #expect(result.output.contains("\\u{1b}[2Jevil\\nname"))
            #expect(!result.output.contains("\u{1B}"))
        }
    }

    @Test(arguments: [
        (["65f0"], "24 hexadecimal digits"), (["--status", "done"], "'done'"), (["--filter", "{"], "filter"),
        (["--filter", #"{"a": {"$near": 1, "$foo": 2}}"#], "filter"), (["--filter", #"{"$foo": 1}"#], "$foo"),
        (["--sort", "a:2"], "'a:2'"), (["--name", ""], "--name"), (["--limit", "-1"], "limit"),
        (["--nonsense"], "--nonsense"),
    ])
    func `Refuses a bad selection`(_ arguments: [String], _ message: String) async throws {
        try await withCommands { fixture in
            try await fixture.store([:])
            let result = try await fixture.run("tensorhub", ["ls"] + arguments)
            #expect(result.status == 2, "\(result.errors)")
            #expect(result.errors.contains(message), "\(result.errors)")
            #expect(result.output.isEmpty)
        }
    }
}
