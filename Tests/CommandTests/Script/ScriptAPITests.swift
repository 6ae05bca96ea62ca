import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// What Python scripts write through the script API, with real daemons that die in between.
@Suite(.timeLimit(.minutes(30))) struct ScriptAPITests {
    private func start(_ fixture: CommandFixture) throws -> Program { try fixture.startDaemon() }

    private func kill(_ daemon: Program, _ fixture: CommandFixture) async throws {
        daemon.signal(SIGKILL)
        _ = try await fixture.end(of: daemon)
    }

    private func end(_ daemon: Program, _ fixture: CommandFixture) async throws {
        for _ in 0..<3 { daemon.signal(SIGTERM) }
        let end = try await fixture.end(of: daemon)
        #expect(end.status == 0, "\(end.errors)")
    }

    @Test func `A script logs, reports and saves through its socket`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "train.py",
                """
                import tensorhub
                with open("weights.bin", "wb") as file:
                    file.write(b"w" * 1000)
                for step in range(10):
                    tensorhub.report(loss=1 / (step + 1), step=step)
                tensorhub.save_results(test_accuracy=0.75)
                print(tensorhub.TensorHub().save_model("weights.bin", "mlp", test_accuracy=0.75)["model_name"])
                """
            )
            let daemon = try start(fixture)
            let id = try await fixture.run("submit", script, "--result", "test_accuracy").output.trimmingLineEnd
            let status = try await fixture.run("wait", id).status
            let output = try await fixture.run("logs", id).output
            #expect(status == 0, "\(output)")
            #expect(try await fixture.hub.logs(.training).compactMap { $0.document["step"]?.intValue } == Array(0..<10))
            let model = try await fixture.hub.findModel(ContentQuery(name: "mlp"))
            #expect(model.lineage?.origin.task == ObjectID(id) && model.document["test_accuracy"] == 0.75)
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.result["test_accuracy"] == 0.75)
            try await end(daemon, fixture)
            #expect(entries("\(fixture.folder)/state/attempts").isEmpty)
        }
    }

    @Test func `Every one of 100,000 lines is there once, whenever their daemon is killed`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "lines.py",
                """
                import tensorhub
                for step in range(100000):
                    tensorhub.report(step=step)
                """
            )
            var daemon = try start(fixture)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            for threshold in [3000, 20_000, 50_000] {
                #expect(
                    try await eventually(within: .seconds(120)) {
                        try await fixture.hub.countLogs(.training) >= threshold
                    }
                )
                try await kill(daemon, fixture)
                daemon = try start(fixture)
            }
            #expect(try await fixture.run("wait", id).status == 0, "\(daemon.errors)")
            // Read in portions: all at once would be a large array of documents.
            var steps: Set<Int> = []
            var count = 0
            for from in stride(from: 0, to: 100_000, by: 10_000) {
                let range: BSONDocument = ["$gte": .init(smallest: from), "$lt": .init(smallest: from + 10_000)]
                let part = try await fixture.hub.logs(.training, Filter(["step": .document(range)]))
                count += part.count
                steps.formUnion(part.compactMap { $0.document["step"]?.intValue })
            }
            #expect(count == 100_000 && steps.count == 100_000)
            #expect(try await fixture.hub.countLogs(.training) == 100_000)
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.attempt == 1 && task.history.first?.refused == 0, "\(task.document)")
            try await end(daemon, fixture)
        }
    }

    @Test func `A model whose upload its daemon did not survive is whole, and nothing else is left`() async throws {
        try await withCommands { fixture in
            let size = 96 << 20
            let script = try fixture.file(
                "model.py",
                """
                import os, tensorhub
                with open("weights.bin", "wb") as file:
                    for _ in range(96):
                        file.write(os.urandom(1 << 20))
                tensorhub.TensorHub().save_model("weights.bin", "large")
                """
            )
            var daemon = try start(fixture)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            let chunks = fixture.hub.database.collection("modelfs.chunks")
            #expect(try await eventually(within: .seconds(120)) { try await chunks.findOne() != nil })
            try await kill(daemon, fixture)
            daemon = try start(fixture)
            #expect(try await fixture.run("wait", id).status == 0, "\(daemon.errors)")
            let models = try await fixture.hub.findModels(ContentQuery(name: "large"))
            #expect(models.count == 1)
            let blob = try #require(models.first?.files.first?.blob)
            #expect(blob.length == size)
            let target = "\(fixture.folder)/copy"
            // Verifies the hash.
            try await fixture.hub.downloadBlob(blob, in: .models, to: target)
            let foreign = try await chunks.findOne(["files_id": ["$ne": .objectID(blob.id)]])
            #expect(foreign == nil, "chunks of a cut upload are left")
            try await end(daemon, fixture)
        }
    }
}
