import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// `ls --group-by` and `results --group-by`.
@Suite struct GroupTests {
    /// Three machines of different luck: one lacks a module, one is slow.
    private func scenario(_ fixture: CommandFixture) async throws {
        let start: Int64 = 1_700_000_000_000
        var documents: [BSONDocument] = []
        for number in 0..<60 {
            let machine = "gpu-\(number % 3)"
            let lacksModule = number % 3 == 1 && number % 2 == 0
            let isFailed = lacksModule || number == 30
            let seconds: Int64 = number % 3 == 2 ? 40 : 10
            let attempt: BSONDocument = [
                "attempt": 1, "host": .string("runner-\(number % 3)"), "machine": .string(machine),
            ]
            var hub: BSONDocument = [
                "v": 1, "attempt": 1, "started": .dateTime(BSONDateTime(millisecondsSince1970: start)),
                "ended": .dateTime(BSONDateTime(millisecondsSince1970: start + seconds * 1000)),
                "history": [.document(attempt)],
            ]
            if isFailed {
                let line = lacksModule ? "ModuleNotFoundError: No module named 'torch'" : "ValueError: lr"
                let error: BSONDocument = [
                    "kind": "exit-status", "message": "exit status 1",
                    "tail": .string("Traceback\n  File x\n\(line)\n \n"),
                ]
                hub.append("error", .document(error))
            }
            documents.append([
                "_id": .objectID(ObjectID()), "project_name": "test", "task_name": "mnist",
                "time": .dateTime(BSONDateTime(millisecondsSince1970: start + Int64(number))),
                "hyper_parameters": ["lr": number < 30 ? 0.1 : 0.01, "seed": .init(smallest: number)],
                "status": isFailed ? "failed" : "finished",
                "result": isFailed ? [:] : ["loss": .double(Double(number))],
                "script": .binary(BSONBinary(bytes: Array("pass\(number % 2)".utf8))),
                "hub": .document(hub),
            ])
        }
        _ = try await fixture.tasks.insertMany(documents)
    }

    @Test func `One command finds the machine without a module, one the slow machine`() async throws {
        try await withCommands { fixture in
            try await scenario(fixture)
            let failures = try await fixture.run("ls", "--group-by", "failure")
            #expect(failures.status == 0, "\(failures.errors)")
            #expect(failures.lines.count == 3 && failures.line(0) == "TASKS  LATEST                    FAILURE")
            #expect(failures.line(1).hasPrefix("   10  "))
            #expect(failures.line(1).hasSuffix("  ModuleNotFoundError: No module named 'torch'"))
            #expect(failures.line(2).hasPrefix("    1  ") && failures.line(2).hasSuffix("ValueError: lr"))
            let hosts = try await fixture.run("ls", "--group-by", "host", "--where", "name:mnist")
            #expect(
                hosts.output == """
                    HOST   TASKS  FINISHED  FAILED
                    gpu-0     20        19       1
                    gpu-1     20        10      10
                    gpu-2     20        20       0

                    """
            )
            let results = try await fixture.run("results", "--group-by", "host", "--columns", "duration")
            #expect(
                results.output == """
                    HOST    N   DURATION
                    gpu-0  19  10s ± 0ms
                    gpu-1  10  10s ± 0ms
                    gpu-2  20  40s ± 0ms

                    """,
                "\(results.errors)"
            )
            #expect(try await fixture.run("ls", "-q", "--where", "host:gpu-1").lines.count == 20)
            #expect(try await fixture.run("ls", "-q", "--where", "host:runner-1").lines.count == 20)
        }
    }

    @Test func `Groups of several keys have the counts of the documents`() async throws {
        try await withCommands { fixture in
            try await scenario(fixture)
            let result = try await fixture.run("ls", "--group-by", "lr,runner,state", "--json")
            let groups = try #require(try BSONValue(extendedJSON: result.output).arrayValue).compactMap(\.documentValue)
            var truth: [[BSONValue?]: Int] = [:]
            for task in try await fixture.hub.findTasks() {
                let paths = ["hyper_parameters.lr", "hub.history.0.host", "status"]
                let key = paths.map { task.document.value(atPath: $0) }
                truth[key, default: 0] += 1
            }
            #expect(groups.count == truth.count && groups.count > 8)
            for group in groups {
                let key = group["group"]?.documentValue ?? [:]
                #expect(key.keys == ["lr", "runner", "state"])
                let tasks = group["tasks"]?.intValue
                #expect(truth[key.map(\.value)] == tasks)
                let state = try #require(key["state"]?.stringValue)
                #expect(group.value(atPath: "counts.\(state)")?.intValue == tasks)
            }
            let scripts = try await fixture.run("ls", "--group-by", "script")
            #expect(scripts.lines.count == 3 && scripts.line(1).hasPrefix("sha256 "), "\(scripts)")
            let cut = try await fixture.run("ls", "--group-by", "seed", "--limit", "7")
            #expect(cut.lines.count == 8 && cut.errors.contains("only the largest 7 are listed"))
        }
    }

    @Test(arguments: [
        (["ls", "--group-by", "learning"], "no task has 'learning'"), (["ls", "--group-by", "sed"], "'seed'"),
        (["ls", "--group-by", "result"], "name one"), (["ls", "--group-by", "lr,lr"], "given twice"),
        (["ls", "--group-by", ""], "empty"), (["ls", "--group-by", "lr", "--sort", "lr"], "leave out"),
        (["results", "--group-by", "hots"], "'host'"), (["results", "--group-by", "$lr"], "'$'"),
        (["results", "--group-by", "lr", "--best", "lost:min"], "did you mean 'loss'?"),
        (["results", "--group-by", "lr", "--columns", "acc"], "no 'acc'; they have loss"),
        (["results", "--group-by", "lr", "--top", "2"], "--top needs"),
    ])
    func `Refuses what cannot be grouped by`(_ arguments: [String], _ message: String) async throws {
        try await withCommands { fixture in
            try await scenario(fixture)
            let result = try await fixture.run("tensorhub", arguments)
            #expect(result.status == 2 && result.output.isEmpty, "\(result)")
            #expect(result.errors.contains(message), "\(result.errors)")
        }
    }

    @Test func `Results over seeds have the mean and the standard error of the textbook`() async throws {
        try await withCommands { fixture in
            // The sample 2, 4, 4, 4, 5, 5, 7, 9 has the mean 5 and the deviation sqrt(32 / 7).
            for (seed, loss) in [2.0, 4, 4, 4, 5, 5, 7, 9].enumerated() {
                let parameters: BSONDocument = ["lr": 0.1, "seed": .init(smallest: seed)]
                try await fixture.store(["hyper_parameters": .document(parameters), "result": ["loss": .double(loss)]])
            }
            try await fixture.store(
                ["hyper_parameters": ["lr": 0.01], "result": ["loss": 3, "note": "good", "test": ["acc": 0.5]]],
                ["hyper_parameters": ["lr": 1], "result": ["loss": .double(.nan)]],
                ["hyper_parameters": ["lr": 0.1], "result": [:]]
            )
            let table = try await fixture.run("results", "--group-by", "lr")
            #expect(
                table.output == """
                      lr  N            loss  test.acc
                    0.01  1    3                  0.5
                    0.1   9    5 ± 0.76 (8)
                    1     1  NaN

                    """,
                "\(table.errors)\n\(table.output)"
            )
            let csv = try await fixture.run("results", "--group-by", "lr", "--columns", "loss", "--csv")
            #expect(csv.line(0) == "lr,n,loss.n,loss.mean,loss.stderr" && csv.line(1) == "0.01,1,1,3.0,")
            let cells = csv.line(2).split(separator: ",").map { Double($0) ?? .nan }
            #expect(cells[0...3] == [0.1, 9, 8, 5], "\(csv.output)")
            #expect(abs(cells[4] - (32.0 / 7 / 8).squareRoot()) < 1e-12)
            let json = try await fixture.run("results", "--group-by", "lr", "--best", "loss:max", "--json")
            let rows = try #require(try BSONValue(extendedJSON: json.output).arrayValue).compactMap(\.documentValue)
            #expect(rows.map { $0.value(atPath: "group.lr")?.doubleValue } == [0.1, 0.01, 1])
            #expect(rows[0].value(atPath: "results.loss.mean") == .double(5) && rows[0]["n"] == 9)
            let arguments = ["results", "--group-by", "lr", "--sort", "n:max,lr", "--top", "2", "--csv"]
            let order = try await fixture.run("tensorhub", arguments)
            #expect(order.lines.map { $0.split(separator: ",")[0] } == ["lr", "0.1", "0.01"])
        }
    }
}
