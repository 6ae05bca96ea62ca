import BSON
import MongoDriver
import TensorHub
import Testing

/// `--where` of every verb that selects.
@Suite struct WhereTests {
    @Test func `Tasks are listed, compared, waited for, changed and deleted by short conditions`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(
                ["task_name": "mnist-1", "hyper_parameters": ["lr": 0.1], "result": ["accuracy": 0.95]],
                ["task_name": "mnist-2", "hyper_parameters": ["lr": 0.001], "status": "failed", "tag": "baseline"],
                ["task_name": "cifar", "hyper_parameters": ["lr": 0.001], "status": "pending"]
            ).map(\.description)
            func quiet(_ conditions: String..., besides arguments: [String] = []) async throws -> [String] {
                let result = try await fixture.run(
                    "tensorhub",
                    ["ls", "-q"] + conditions.flatMap { ["--where", $0] } + arguments
                )
                #expect(result.status == 0 || result.status == 3, "\(result.errors)")
                return result.lines
            }
            #expect(try await quiet("state:failed name:mnist* lr<0.01 tag=baseline") == [ids[1]])
            #expect(try await quiet("accuracy>0.9") == [ids[0]])
            #expect(try await quiet("lr<0.01") == [ids[1], ids[2]])
            #expect(try await quiet("lr<0.01", "name:cifar") == [ids[2]])
            #expect(try await quiet("MNIST") == [ids[0], ids[1]])
            #expect(try await quiet("mnist", besides: ["--filter", #"{"status": "failed"}"#]) == [ids[1]])
            #expect(try await quiet("mnist", besides: ["--status", "running"]) == [])

            let best = try await fixture.run("results", "--where", "accuracy>0.9", "--json")
            #expect(try BSONValue(extendedJSON: best.output).arrayValue?.count == 1, "\(best.errors)")
            // A state in it takes the place of "finished".
            let failed = try await fixture.run("results", "--where", "state:failed", "--json")
            #expect(try BSONValue(extendedJSON: failed.output).arrayValue?.count == 1, "\(failed.errors)")
            #expect(try await fixture.run("wait", "--where", "name:mnist*").status == 100)

            #expect(try await fixture.run("hold", "--where", "state:pending").errors == "1 task held\n")
            #expect(try await fixture.run("release", "--where", "name:cifar").errors == "1 task released\n")
            #expect(try await fixture.run("cancel", "--where", "cifar").errors == "1 task cancelled\n")
            #expect(try await fixture.run("retry", "--where", "state:failed").status == 0)
            #expect(try await fixture.status(ids[1]) == "pending")
            #expect(try await fixture.run("rm", "--where", "lr>0.05").errors == "1 task deleted\n")
            #expect(try await fixture.tasks.countDocuments() == 2)
        }
    }

    @Test func `What is wrong with a condition is said with its place, and nothing is changed`() async throws {
        try await withCommands { fixture in
            try await fixture.store([:])
            let rows = [
                ("state:faild", "where: 'faild' at character 7: 'faild' is no state of a task; did you mean 'failed'?"),
                ("lr<0,1", "where: '0,1' at character 4: "), ("", "where: there is no condition in it"),
                ("{\"a\": 1}", "--filter"),
            ]
            for (text, message) in rows {
                let result = try await fixture.run("rm", "--where", text)
                #expect(result.status == 2 && result.errors.contains(message), "\(result.errors)")
            }
            let none = try await fixture.run("rm")
            #expect(none.status == 2 && none.errors.contains("--where"), "\(none.errors)")
            #expect(try await fixture.tasks.countDocuments() == 1)
        }
    }

    @Test func `Data sets, models and log entries are chosen so too`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("x.bin", "x")
            for (name, part) in [("a", "train"), ("b", "test")] {
                let put = try await fixture.run("dataset", "put", path, "--name", name, "--tag", "part=\(part)")
                #expect(put.status == 0, "\(put.errors)")
                let model = try await fixture.run(
                    "model",
                    "put",
                    path,
                    "--name",
                    name,
                    "--tag",
                    "size=\(name == "a" ? 1 : 2)"
                )
                #expect(model.status == 0, "\(model.errors)")
            }
            let tables = [
                (["dataset", "ls", "--where", "part=train"], "a"), (["dataset", "ls", "--where", "name:b*"], "b"),
                (["model", "ls", "--where", "size>1"], "b"), (["dataset", "show", "-", "--where", "TRAIN"], "a"),
                (["model", "show", "-", "--where", "size<2"], "a"),
            ]
            for (arguments, name) in tables {
                let result = try await fixture.run("tensorhub", arguments + ["--json"])
                let value = try BSONValue(extendedJSON: result.output)
                #expect(value.arrayValue.map(\.count) ?? 1 == 1, "\(arguments): \(result.output)\(result.errors)")
                let document = value.arrayValue?.first?.documentValue ?? value.documentValue?["document"]?.documentValue
                let found = document?["dataset_name"] ?? document?["model_name"]
                #expect(found == .string(name), "\(arguments)")
            }
            #expect(try await fixture.run("dataset", "rm", "--where", "part=test").errors == "1 data set deleted\n")
            let state = try await fixture.run("model", "rm", "--where", "state:failed")
            #expect(state.status == 2 && state.errors.contains("models have nothing of that kind"), "\(state.errors)")

            for step in 0..<4 { try await fixture.hub.saveLogs(.training, [["step": .init(smallest: step)]]) }
            let entries = try await fixture.run("log", "ls", "training", "--where", "step>=1 step<3 age<1h", "--json")
            #expect(try BSONValue(extendedJSON: entries.output).arrayValue?.count == 2, "\(entries.errors)")
            #expect(try await fixture.run("log", "rm", "training", "--where", "step=0").errors == "1 entry deleted\n")
        }
    }
}
