import BSON
import TensorHub
import Testing

@Suite struct PruneTests {
    @Test func `Says what would go, then deletes that`() async throws {
        try await withCommands { fixture in
            // Ended in 2023.
            try await fixture.store(["status": "failed"], ["status": "finished"], ["status": "pending"])
            for _ in 0..<3 { try await fixture.hub.saveModel(nil, name: "mlp") }
            try await fixture.hub.setStage("production", of: ContentQuery(name: "mlp", version: 1))

            let dry = try await fixture.run("prune", "--older-than", "30d", "--dry-run")
            #expect(dry.status == 0 && dry.errors == "would delete: 2 of the tasks\n", "\(dry.errors)")
            #expect(try await fixture.hub.findTasks().count == 3)
            let failed = try await fixture.run("prune", "--status", "failed", "--json")
            #expect(try BSONDocument(extendedJSON: failed.output)["tasks"] == 1)

            let keep = try await fixture.run("prune", "--keep", "1", "--kind", "models")
            #expect(keep.lines.count == 2 && keep.line(1).hasSuffix("mlp         2"), "\(keep.output)")
            #expect(
                keep.errors
                    == "kept of the models: 'mlp' version 1, which holds stage 'production'\ndeleted: 1 of the models\n"
            )
            #expect(try await fixture.run("prune", "--older-than", "30d").errors == "deleted: 1 of the tasks\n")
            #expect(try await fixture.run("prune", "--older-than", "30d").status == 3)
            #expect(try await fixture.hub.findTasks().map(\.status) == [.pending])
        }
    }

    @Test func `Is not asked to delete everything`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["status": "failed"])
            for arguments in [
                [], ["--kind", "tasks"], ["--status", "running"], ["--older-than", "x"],
                ["--kind", "all", "--keep", "1"],
                ["--kind", "logs", "--keep", "1"],
            ] {
                let result = try await fixture.run("tensorhub", ["prune"] + arguments)
                #expect(result.status == 2, "\(arguments): \(result.errors)")
            }
            #expect(try await fixture.hub.findTasks().count == 1)
        }
    }

    @Test(arguments: [
        (["--older-than", "5"], 2, "write 5d for days"), (["--older-than", "0d"], 2, "would be everything"),
        (["--older-than", "1d", "--kind", "models", "--status", "failed"], 2, "--status is about tasks"),
        (["--older-than", "1d", "--name", "nobody"], 3, "nothing named 'nobody'"),
    ])
    func `What may be a mistake is refused`(_ options: [String], _ status: Int32, _ reason: String) async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveDataSet(.bytes([1], as: "f"), name: "a")
            let result = try await fixture.run("tensorhub", ["prune"] + options)
            #expect(result.status == status && result.errors.contains(reason), "\(result.errors)")
            #expect(try await fixture.hub.findDataSets().count == 1)
        }
    }
}
