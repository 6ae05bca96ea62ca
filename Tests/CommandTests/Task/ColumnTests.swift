import BSON
import Console
import TensorHub
import TestSupport
import Testing

/// `--columns` and `--sort` of `ls` and `results`, and what a narrow terminal shows.
@Suite struct ColumnTests {
    private func fill(_ fixture: CommandFixture) async throws -> [String] {
        func task(_ name: String, lr: BSONValue, _ loss: BSONValue?, machine: String, seconds: Int64) -> BSONDocument {
            let start = BSONDateTime(millisecondsSince1970: 1_700_000_000_000)
            let end = BSONDateTime(millisecondsSince1970: 1_700_000_000_000 + seconds * 1000)
            return [
                "task_name": .string(name), "hyper_parameters": ["lr": lr],
                "result": loss.map { ["loss": $0] } ?? [:], "owner": "ann",
                "hub": [
                    "v": 1, "attempt": 1, "started": .dateTime(start), "ended": .dateTime(end),
                    "history": [["attempt": 1, "host": "gpu", "machine": .string(machine)]],
                ],
            ]
        }
        return try await fixture.store(
            task("a", lr: 0.1, 0.123456789, machine: "m1", seconds: 60),
            task("b", lr: 0.01, 12.5, machine: "m2", seconds: 30),
            task("c", lr: 0.5, 0.123456789, machine: "m1", seconds: 90),
            task("d", lr: 0.2, .double(.nan), machine: "m3", seconds: 10),
            task("e", lr: 0.3, nil, machine: "m2", seconds: 20)
        ).map(\.description)
    }

    @Test func `Columns are fields, results, tags and hyper-parameters; rounded for people, whole for programs`()
        async throws
    {
        try await withCommands { fixture in
            let ids = try await fill(fixture)
            for verb in ["ls", "results"] {
                let names = "name,state,lr,loss,owner,host,duration"
                let table = try await fixture.run(verb, "--columns", names, "--where", "lr<0.3")
                #expect(
                    table.output == """
                        NAME  STATE       lr       loss  owner  HOST  DURATION
                        a     finished  0.1    0.123457  ann    m1       1m00s
                        b     finished  0.01  12.5       ann    m2         30s
                        d     finished  0.2         NaN  ann    m3         10s

                        """,
                    "\(table.output)"
                )
            }
            let csv = try await fixture.run("results", "--columns", "id,loss,duration,host", "--csv")
            #expect(csv.line(0) == "id,loss,duration,host" && csv.line(1) == "\(ids[0]),0.123456789,60.0,m1")
            let json = try await fixture.run("ls", "--columns", "name,loss", "--json", "--name", "e")
            #expect(json.output == "[\n{\"name\": \"e\"}\n]\n", "\(json.output)")
        }
    }

    @Test func `Orders by several keys, numbers first whatever the direction`() async throws {
        try await withCommands { fixture in
            let ids = try await fill(fixture)
            let names: [Character: String] = Dictionary(uniqueKeysWithValues: zip("abcde", ids))
            for (sort, order) in [
                ("loss:min,lr", "acbde"), ("loss:max,lr:desc", "bcaed"), ("loss:min,lr:-1", "cabed"), ("lr", "badec"),
                ("duration:max", "cabed"), ("host,lr:max", "caebd"), ("parameter.lr:1", "badec"),
                ("hyper_parameters.lr:-1", "cedab"), ("name:max", "edcba"), ("age", "edcba"), ("owner,time", "abcde"),
                (#"{"hyper_parameters.lr": 1}"#, "badec"),
            ] {
                let expected = order.map { names[$0] ?? "" }
                let list = try await fixture.run("ls", "-q", "--sort", sort)
                #expect(list.lines == expected, "\(sort): \(list)")
                let results = try await fixture.run("results", "--sort", sort, "--columns", "id", "--csv")
                #expect(Array(results.lines.dropFirst()) == expected, "\(sort): \(results)")
            }
            #expect(try await fixture.run("ls", "-q", "--sort", "loss:min", "--limit", "1").lines == [ids[0]])
            let top = try await fixture.run("results", "--sort", "loss", "--top", "2", "--columns", "id", "--csv")
            #expect(top.lines == ["id", ids[0], ids[2]])
        }
    }

    @Test(arguments: [
        (["ls", "--sort", "los"], "did you mean 'loss'"), (["ls", "--sort", "parameter.lrr"], "did you mean 'lr'"),
        (["ls", "--sort", "priority"], "hub.priority"), (["ls", "--sort", "result"], "name one"),
        (["ls", "--sort", "loss:up"], "'loss:up'"), (["ls", "--sort", ""], "no field and direction"),
        (["ls", "--columns", "nmae"], "did you mean 'name'"), (["ls", "--columns", "lr,,name"], "empty"),
        (["ls", "--columns", "tag.status"], "TensorHub's own"), (["ls", "--columns", "script"], "--group-by alone"),
        (["results", "--columns", "lr,ownr"], "did you mean 'owner'"),
        (["results", "--sort", "accuracy:max"], "no task has 'accuracy'"),
        (["results", "--sort", "lr", "--best", "lr"], "give one"),
        (["results", "--best", "loss"], "write loss:min or loss:max"),
        (["results", "--best", "val_loss", "--group-by", "lr"], "write val_loss:min or val_loss:max"),
        (["results", "--best", "validation/Error"], "validation/Error:min"),
    ])
    func `A name that nothing has is refused with the nearest`(_ arguments: [String], _ message: String) async throws {
        try await withCommands { fixture in
            _ = try await fill(fixture)
            let result = try await fixture.run("tensorhub", arguments)
            #expect(result.status == 2 && result.output.isEmpty, "\(result)")
            #expect(result.errors.contains(message), "\(result.errors)")
        }
    }

    @Test func `Names in which loss or time is only a part of a word are ranked as before`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["result": ["glossy": 1, "timeliness": 2, "step_time": 3]])
            for name in ["glossy", "timeliness", "step_time:max"] {
                #expect(try await fixture.run("results", "--best", name).status == 0)
            }
        }
    }

    @Test(arguments: ["finished", "failed", "cancelled", "pending"])
    func `A list fits 60 columns, with whole ids and states and both ends of long names`(_ state: String) async throws {
        try await withCommands { fixture in
            let name = "mnist-very-long-name-of-a-task-with-everything-in-it-run-17"
            let lr = String(repeating: "long ", count: 9)
            let id = try await fixture.store([
                "task_name": .string(name), "status": .string(state), "hyper_parameters": ["text": .string(lr)],
                "result": ["accuracy": 0.9123456789, "loss": 0.123456789],
                "hub": [
                    "attempt": 3, "hold": .bool(state == "pending"),
                    "history": [["host": "a-machine-of-a-very-long-name.example.org"]],
                    "error": ["kind": "timeout", "message": .string(lr)],
                ],
            ])[0]
            let shell = "stty cols 60; exec \(Program.folder)/tensorhub ls --color never"
            let environment = fixture.environment
            let program = try Program.start("/usr/bin/script", ["-qec", shell, "/dev/null"], environment: environment)
            let lines = try await fixture.end(of: program).output.split(separator: "\r\n").map(String.init)
            #expect(lines.count == 2 && lines.allSatisfy { TerminalText.width($0) <= 60 }, "\(lines)")
            let row = try #require(lines.last)
            #expect(row.hasPrefix("\(id)  mnis") && row.contains("-17  \(state)"), "\(row)")
            #expect(state != "pending" || row.contains("pending (held)"))
        }
    }
}
