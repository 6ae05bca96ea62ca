import BSON
import TensorHub
import TestSupport
import Testing

/// Documents of other programs, TensorLayer's own among them.
@Suite struct AdoptTests {
    /// What TensorLayer's `create_task` writes: no `task_name`, no `hub`.
    static let original: BSONDocument = [
        "tag": "demo", "project_name": "default", "time": .dateTime(BSONDateTime(millisecondsSince1970: 1)),
        "hyper_parameters": ["n": 3], "saved_result_keys": ["test_accuracy"], "status": "pending",
        "script": .binary(BSONBinary(bytes: Array("test_accuracy = n / 4".utf8))), "result": [:],
    ]

    private func claim(_ hub: Hub) async throws -> [TaskRecord] {
        try await hub.session(name: "h").claim(100).tasks
    }

    @Test func `A task in TensorLayer's exact shape is adopted and keeps every field it had`() async throws {
        try await withTestHub { hub in
            try await hub.insertForeignTask(Self.original)
            #expect(try await hub.session().adoptAndPromote() == 1)
            #expect(try await hub.session().adoptAndPromote() == 0)
            let task = try #require(try await claim(hub).first)
            for (key, value) in Self.original where key != "status" { #expect(task.document[key] == value) }
            #expect(task.attempt == 1)
        }
    }

    @Test(
        arguments: [
            ("script", nil, "script is missing"),
            ("script", .string("print(1)"), "script must be binary"),
            ("script", .binary(BSONBinary(bytes: [])), "script is empty"),
            ("script", .null, "script must be binary"),
            ("hyper_parameters", [1, 2], "hyper_parameters must be an object"),
            ("hyper_parameters", [[:]], "hyper_parameters must be an object"),
            ("hyper_parameters", "lr=1", "hyper_parameters must be an object"),
            ("saved_result_keys", "accuracy", "saved_result_keys must be an array of strings"),
            ("saved_result_keys", ["a", 1], "saved_result_keys must be an array of strings"),
            ("_id", "by hand", "_id must be an ObjectId"),
            ("hub", ["interpreter": 5], "hub.interpreter must be a string"),
            ("hub", ["files": "x"], "hub.files must be an array of files"),
        ] as [(String, BSONValue?, String)]
    )
    func `A document that cannot be run ends failed with the reason`(
        field: String,
        value: BSONValue?,
        reason: String
    ) async throws {
        try await withTestHub { hub in
            var document = Self.original
            document[field] = value
            try await hub.insertForeignTask(document)
            try await hub.insertForeignTask(Self.original)
            #expect(try await hub.session().adoptAndPromote() == 2)
            let failed = try await hub.findTasks(TaskSelection(statuses: [.failed]))
            #expect(failed.count == 1)
            #expect(
                failed.first?.error == TaskFailure(kind: "cannot-run", message: "the task cannot be run: \(reason)")
            )
            #expect(failed.first?.ended != nil)
            #expect(try await claim(hub).count == 1)
        }
    }

    @Test func `A document without room for our fields fails alone, foreign or ready`() async throws {
        try await withTestHub { hub in
            for hubField: BSONValue? in [nil, ["ready": true, "priority": 9]] {
                var large = Self.original
                if let hubField { large.append("hub", hubField) }
                large.append("ballast", .binary(BSONBinary(bytes: [])))
                let room = TaskSpec.maximumDocumentSize - large.bytes.count - 40
                large["ballast"] = .binary(BSONBinary(bytes: Array(repeating: 1, count: room)))
                try await hub.insertForeignTask(large)
                try await hub.insertForeignTask(Self.original)
            }
            _ = try await hub.session().adoptAndPromote()
            for _ in 0..<2 { #expect(try await claimOne(hub) != nil) }
            #expect(try await hub.countTasks() == [.failed: 2, .running: 2])
        }
    }

    private func claimOne(_ hub: Hub) async throws -> TaskRecord? {
        try await hub.session(name: "h").claim(1).tasks.first
    }

    @Test func `Odd types under any of our names do not stop the queue`() async throws {
        let odd: [BSONValue] = [
            5, "text", [1, 2], [["ready": true, "attempt": 1]], nil, .double(.nan), true,
            ["ready": "yes"], ["ready": nil], ["ready": ["true"]],
            ["priority": "high", "attempt": "x", "failures": [1], "max_failures": nil, "hold": "no"],
            ["priority": .double(.nan), "attempt": .int64(.max), "max_failures": .double(-1e300)],
            ["priority": .double(.infinity), "not_before": "tomorrow", "lease": 1, "history": "none", "cancel": 1],
            ["ready": true, "history": [1, "a"], "attempt": "x", "lease": "mine"],
            ["ready": true, "attempt": .double(.nan), "history": ["no": 1]],
            ["ready": true, "attempt": .int64(.max), "priority": [1]],
            ["ready": true, "failures": .int64(.max), "max_failures": .int64(.min)],
            ["lost": .decimal128(Decimal128(high: 0, low: 0)), "timeout": "1 h", "grace": [1], "error": "x"],
            ["ready": false, "not_before": "never"],
        ]
        try await withTestHub { hub in
            for value in odd {
                var document = Self.original
                document.append("hub", value)
                try await hub.insertForeignTask(document)
            }
            for name: BSONValue in [1, ["a"], nil, ["x": 1]] {
                var document = Self.original
                document.append("task_name", name)
                document["time"] = "yesterday"
                try await hub.insertForeignTask(document)
            }
            let good = try await hub.createTask(TaskSpec(script: "pass"))
            for _ in 0..<2 { _ = try await hub.session().adoptAndPromote() }
            let runner = ObjectID()
            var claimed: [TaskRecord] = []
            for count in [1, 1, 1, 100] {
                let session = hub.session(runner, name: "h")
                claimed += try await session.claim(count).tasks
            }
            // All but the one that says itself that it is not ready.
            #expect(claimed.count == odd.count + 4)
            #expect(claimed.contains { $0.id == good })
            _ = try await hub.session(runner).renew(Set(claimed.compactMap(\.attemptID)))
            let ends = claimed.compactMap { task in
                task.attemptID.map { AttemptEnd($0, transition: .finish(result: ["x": 1]), cause: "finished") }
            }
            let outcomes = try await hub.session(runner).deliver(ends)
            #expect(outcomes.allSatisfy { $0 == .accepted }, "\(zip(claimed, outcomes).filter { $1 != .accepted })")
            #expect(try await hub.cancelTasks(.all) == 1)
            #expect(try await hub.hasUnfinishedTasks() == false)
        }
    }
}
