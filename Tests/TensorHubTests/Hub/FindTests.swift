import BSON
import TensorHub
import TestSupport
import Testing

@Suite struct FindTests {
    @Test func `Filter, sort and limit are the server's, and listings leave scripts out`() async throws {
        try await withTestHub { hub in
            let specs = (1...5).map { TaskSpec(name: "t", script: "pass", hyperParameters: ["n": .init(smallest: $0)]) }
            let ids = try await hub.createTasks(specs)
            let found = try await hub.findTasks(
                "hyper_parameters.n" >= 2,
                sort: .descending("hyper_parameters.n"),
                limit: 2
            )
            #expect(found.map(\.id) == [ids[4], ids[3]])
            #expect(found.allSatisfy { $0.script == nil })
            #expect(try await hub.task(ids[0]).script == Array("pass".utf8))
            #expect(try await hub.findTasks().map(\.id) == ids)
            await #expect(throws: HubError.self) { try await hub.findTasks(limit: 0) }
        }
    }

    @Test func `A filter that MongoDB refuses is an error, not an empty answer`() async throws {
        try await withTestHub { hub in
            await #expect(throws: HubError.self) { _ = try await hub.findTasks(Filter(["$nonsense": 1])) }
        }
    }

    @Test func `A project sees its own tasks alone, whatever the filter says`() async throws {
        try await withTestHub { hub in
            try await hub.insertForeignTask(["project_name": "other", "status": "finished"])
            #expect(try await hub.findTasks("project_name" == "other").isEmpty)
            #expect(try await hub.deleteTasks(.all) == 0)
            #expect(try await hub.cancelTasks(TaskSelection(filter: "project_name" == "other")) == 0)
        }
    }

    @Test func `Results read as typed values`() async throws {
        struct Scores: Decodable, Equatable {
            var accuracy: Double
            var epochs: Int
            var curve: [Double]
        }
        let task = TaskRecord(["result": ["accuracy": 0.5, "epochs": .int64(3), "curve": [1, 0.25]]])
        #expect(try task.result(as: Scores.self) == Scores(accuracy: 0.5, epochs: 3, curve: [1, 0.25]))
        #expect(throws: DecodingError.self) { try TaskRecord(["result": [:]]).result(as: Scores.self) }
    }

    @Test func `One bad task among many writes nothing and is named`() async throws {
        try await withTestHub { hub in
            var specs = Array(repeating: TaskSpec(script: "pass"), count: 3)
            specs[1].savedResultKeys = [""]
            let error = await #expect(throws: HubError.self) { try await hub.createTasks(specs) }
            #expect(error?.field == "saved_result_keys")
            #expect(error?.message.hasPrefix("task 2: ") == true)
            var large = TaskSpec(script: "pass")
            large.files = [TaskFile(path: "data", data: Array(repeating: 0, count: 17 << 20))]
            await #expect(throws: HubError.self) { try await hub.createTasks([TaskSpec(script: "pass"), large]) }
            let counts = try await hub.countTasks()
            #expect(counts.isEmpty)
        }
    }

    @Test func `Output is read in order, across attempts, and stored once`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let chunks = [(1, 0), (1, 1), (1, 2), (2, 0)].map { attempt, seq in
                OutputChunk(
                    attempt: attempt,
                    seq: Int64(seq),
                    offset: Int64(seq),
                    data: [UInt8(attempt), UInt8(seq), 0, 255]
                )
            }
            try await hub.session().appendOutput(chunks.reversed(), of: id)
            try await hub.session().appendOutput(chunks, of: id)
            #expect(try await hub.readOutput(of: id) == chunks)
            #expect(try await hub.readOutput(of: id, after: chunks[1]) == Array(chunks[2...]))
            #expect(try await hub.readOutput(of: id, attempt: 2) == [chunks[3]])
            try await hub.session().dropOutput(of: AttemptID(task: id, number: 1), from: 1, before: 2)
            #expect(try await hub.readOutput(of: id, attempt: 1) == [chunks[0], chunks[2]])
        }
    }
}
