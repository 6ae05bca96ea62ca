import BSON
import TensorHub
import Testing

@Suite struct FindVerbTests {
    @Test func `Finds tasks, data sets and models by words, a line each, the newest first`() async throws {
        try await withCommands { fixture in
            let path = try fixture.file("mnist.bin", "x")
            let id = try await fixture.store(
                ["task_name": "mnist", "owner": "ann", "hyper_parameters": ["lr": 0.1], "result": ["acc": 0.9]]
            )[0]
            #expect(try await fixture.run("dataset", "put", path, "--description", "digits").status == 0)
            #expect(try await fixture.run("model", "put", path, "--name", "mlp", "--tag", "data=MNIST").status == 0)
            let found = try await fixture.run("find", "mnist")
            #expect(found.status == 0 && found.errors.isEmpty, "\(found.errors)")
            #expect(found.lines.map { $0.split(separator: " ").first ?? "" } == ["KIND", "model", "data", "task"])
            #expect(
                found.line(1).contains("mlp    version 1") && found.line(1).contains("data=MNIST"),
                "\(found.output)"
            )
            #expect(
                found.line(3).contains("owner=ann") && found.line(3).contains("lr=0.1 acc=0.9"),
                "\(found.output)"
            )

            #expect(try await fixture.run("find", "-q", "mnist", "acc>0.5").lines == ["\(id)"])
            let some = try await fixture.run("find", "mnist", "--limit", "2", "--json")
            #expect(some.errors == "only the newest 2 are listed; --limit takes more\n")
            let values = try #require(try BSONValue(extendedJSON: some.output).arrayValue)
            #expect(values.map { $0.documentValue?["kind"] } == ["model", "dataset"])
            #expect(values[0].documentValue?.value(atPath: "document.model_name") == "mlp")

            let none = try await fixture.run("find", "mnist", "state:failed")
            #expect(none.status == 3 && none.output.isEmpty && none.errors == "tensorhub: nothing matches\n")
            let wrong = try await fixture.run("find", "mnist", "state:faild")
            #expect(wrong.status == 2 && wrong.errors.contains("words: 'faild' at character 13"), "\(wrong.errors)")
            #expect(try await fixture.run("find").status == 2)
            #expect(try await fixture.run("find", "mnist", "--limit", "0").status == 2)
        }
    }
}
