import BSON
import TensorHub
import TestSupport
import Testing

/// We share databases with TensorLayer's own programs.
@Suite struct TensorLayerDocumentTests {
    @Test func `A task has exactly the original's fields and types, and ours besides`() async throws {
        try await withTestHub(project: "mnist") { hub in
            let before = try await hub.serverTime()
            let id = try await hub.createTask(
                TaskSpec(
                    name: "sweep",
                    script: Array("accuracy = 1".utf8),
                    hyperParameters: ["n_units": 800, "rates": [0.1, 0.2]],
                    savedResultKeys: ["accuracy"],
                    tags: ["description": "first try"]
                )
            )
            let stored = try await hub.task(id).document
            let types = stored.map { ($0.key, $0.value.type) }
            let expected: [(String, BSONType)] = [
                ("_id", .objectID), ("description", .string), ("task_name", .string), ("project_name", .string),
                ("time", .dateTime), ("hyper_parameters", .document), ("saved_result_keys", .array),
                ("status", .string), ("script", .binary), ("result", .document), ("hub", .document),
            ]
            #expect(types.map(\.0) == expected.map(\.0))
            #expect(types.map(\.1) == expected.map(\.1))
            #expect(stored["script"]?.binaryValue?.subtype == 0)
            #expect(stored["status"] == "pending")
            #expect(stored["project_name"] == "mnist")
            #expect(stored["result"] == [:])
            #expect(stored["saved_result_keys"]?.arrayValue?.allSatisfy { $0.type == .string } == true)

            let time = try #require(stored["time"]?.dateTimeValue)
            let after = try await hub.serverTime()
            // The estimate may be off by half a round trip.
            #expect(time.millisecondsSince1970 >= before.millisecondsSince1970 - 1000)
            #expect(time.millisecondsSince1970 <= after.millisecondsSince1970 + 1000)
        }
    }

    @Test func `Our own fields in a new task are those that the documentation lists`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "#!/bin/true\n"), by: "ann")
            let stored = try await hub.task(id).document
            let fields = try #require(stored["hub"]?.documentValue)
            #expect(
                fields == [
                    "v": 1, "ready": true, "priority": 0, "attempt": 0, "max_failures": 3, "failures": 0,
                    "interruptions": 0, "lost": 0, "number": .int64(1), "submit": .int64(1), "account": "ann",
                ]
            )
            #expect(stored["task_name"] == nil)
        }
    }

    @Test func `Keyword arguments become top-level tags that filters find`() async throws {
        try await withTestHub { hub in
            var spec = TaskSpec(script: "x = 1")
            spec.tags = ["stage": "final", "seed": 7]
            let id = try await hub.createTask(spec)
            _ = try await hub.createTask(TaskSpec(script: "x = 1"))
            let found = try await hub.findTasks("stage" == "final" && "seed" >= 7)
            #expect(found.map(\.id) == [id])
            #expect(found.first?.tags == ["stage": "final", "seed": 7])
        }
    }
}
