import BSON
import HubAPI
import ScriptClient
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// The Swift client of scripts on a real runner. The script itself is a shell's: it lends its environment to the test.
@Suite(.timeLimit(.minutes(30))) struct ScriptRunTests {
    private func withScript(
        keys: [String] = [],
        _ body: (Hub, ObjectID, [String: String]) async throws -> Void
    ) async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                var spec = TaskSpec(
                    script: """
                        #!/bin/sh
                        env > \(folder)/new && mv \(folder)/new \(folder)/environment
                        until test -e \(folder)/go; do sleep 0.01; done

                        """
                )
                spec.maxFailures = 1
                spec.hyperParameters = ["n": 3]
                spec.savedResultKeys = keys
                let id = try await hub.createTask(spec)
                try await withRunner(hub, slots: 1, { $0.scriptServer = APIServer() }) { _ in
                    var lines: [String] = []
                    _ = await eventually {
                        lines = (try? readLines("\(folder)/environment")) ?? []
                        return !lines.isEmpty
                    }
                    let pairs = lines.compactMap { line in
                        line.firstIndex(of: "=").map { (String(line[..<$0]), String(line[$0...].dropFirst())) }
                    }
                    try await body(hub, id, Dictionary(pairs) { first, _ in first })
                    try writeFile("\(folder)/go", "")
                    try await hub.waitForTasks(.ids([id]))
                }
                let task = try await hub.task(id)
                #expect(task.status == .finished, "\(task.document)")
                if !keys.isEmpty { #expect(keys.allSatisfy { task.result[$0] != nil }) }
                let steps = try await hub.logs(.training).map { $0.document["step"]?.intValue }
                #expect(steps == (0..<100).map { $0 })
            }
        }
    }

    @Test func `A Swift script trains from a data set and its logs, model, lineage and result are in the database`()
        async throws
    {
        try await withScript(keys: ["accuracy"]) { hub, id, environment in
            try await hub.saveDataSet(
                Content(kind: .file, files: [SourceFile(path: "d.bin", source: .bytes([1, 2, 3]))]),
                name: "digits"
            )
            try await Attempt.run(environment: environment) { attempt in
                #expect(attempt.taskID == id)
                #expect(attempt.number == 1)
                #expect(attempt.hyperParameters == ["n": 3])
                let data = try await attempt.dataSet("digits")
                #expect(try readFile(try #require(data.files.first).localPath) == [1, 2, 3])
                for step in 0..<100 {
                    try attempt.report(["step": .int32(Int32(step))])
                    // One bad entry is left out, and those beside it are not.
                    if step == 50 { try attempt.report(["$x": 1]) }
                }
                let parameters = NewContent(
                    kind: .arrays,
                    files: [.init(path: "parameters.npz", source: .bytes([9]))],
                    form: "list"
                )
                try await attempt.saveModel("mlp", parameters, architecture: ["n": 3], tags: ["accuracy": 0.5])
                // A query sees what was written before.
                let found = try await attempt.model("mlp")
                #expect(try readFile(try #require(found.files.first).localPath) == [9])
                try await attempt.saveResults(["accuracy": 0.5])
                #expect(!attempt.shouldStop)
            }
            let model = try await hub.findModel(ContentQuery(name: "mlp"))
            let dataSet = try await hub.findDataSet(ContentQuery(name: "digits"))
            #expect(model.tags["accuracy"] == 0.5)
            #expect(model.document.value(atPath: "hub.data_sets.0.id") == dataSet.document["_id"])
            #expect(model.document.value(atPath: "hub.task") == .objectID(id))
        }
    }

    @Test func `The runner delivers what a Swift script could not`() async throws {
        try await withScript(keys: ["accuracy"]) { _, _, environment in
            var cut = environment
            cut["TENSORHUB_SOCKET"] = "\(environment["TENSORHUB_SOCKET"] ?? "")-gone"
            let attempt = try await Attempt.current(environment: cut, patience: .zero)
            for step in 0..<100 { try attempt.report(["step": .int32(Int32(step))]) }
            try await attempt.saveResults(["accuracy": 0.5])
            await attempt.finish()
        }
    }
}
