import BSON
import TensorHub
import TestSupport
import Testing

/// What the server groups and orders by, also of documents that other programs have written.
@Suite struct GroupTests {
    private static let odd: [BSONDocument] = [
        [
            "status": "failed",
            "hub": ["history": "none", "error": "text", "started": "then", "ended": .dateTime(.now)],
        ],
        ["status": "failed", "hub": 5], ["status": "failed"],
        ["status": "failed", "hub": ["error": ["kind": "exit-status", "message": "exit 1", "tail": 5]]],
        ["status": "failed", "hub": ["error": ["kind": "exit-status", "message": "exit 1", "tail": "\n \n\t\n"]]],
        [
            "status": "failed",
            "hub": ["error": ["kind": "exit-status", "message": "exit 1", "tail": "a\nb\n\u{0} \n"]],
        ],
        ["status": "failed", "hub": ["error": ["kind": "exit-status", "message": "exit 1", "tail": "a\u{e9} \r\n"]]],
        ["status": "failed", "hub": ["error": ["kind": "timeout", "message": "too long", "tail": "a\nb\n"]]],
        ["status": "odd", "hub": ["history": [5, ["host": "gpu"]]], "result": [1, 2], "hyper_parameters": "none"],
        ["status": "running", "hub": ["started": .dateTime(BSONDateTime(millisecondsSince1970: .min))]],
        ["status": "finished", "result": ["a.b": 1, "c": ["d": 2, "e.f": 3], "g": [:], "": 4]],
    ]

    private func withOdd(_ body: (Hub) async throws -> Void) async throws {
        try await withTestHub { hub in
            for (index, document) in Self.odd.enumerated() {
                var document = document
                document["project_name"] = "default"
                document["_id"] = index % 2 == 0 ? .objectID(ObjectID()) : .int32(Int32(index))
                try await hub.insertForeignTask(document)
            }
            try await body(hub)
        }
    }

    @Test func `The server finds the same last line as the library`() async throws {
        try await withOdd { hub in
            let failed = try await hub.findTasks(TaskSelection(statuses: [.failed]))
            var truth: [ByteString: Int] = [:]
            for task in failed { truth[(task.error?.reason ?? "").bytes, default: 0] += 1 }
            let groups = try await hub.groupTasks(.all, by: [.own(.failure)], limit: nil)
            var found: [ByteString: Int] = [:]
            for group in groups { found[(group.key[0]?.stringValue ?? "").bytes, default: 0] += group.total }
            #expect(found == truth && truth.count == 5, "\(found) \(truth)")
        }
    }

    @Test func `No odd document makes a grouping or an order fail`() async throws {
        try await withOdd { hub in
            for field in TaskField.Own.allCases.map({ TaskField.own($0) }) {
                let groups = try await hub.groupTasks(.all, by: [field], limit: nil)
                let total = field == .own(.failure) ? 8 : Self.odd.count
                #expect(groups.reduce(0) { $0 + $1.total } == total, "\(field)")
            }
            for order in ["duration", "host:max,runner", "failure", "c.d:max", "age,x", "id,y"] {
                let found = try await hub.findTasks(.all, order: try TaskOrder(order), limit: nil)
                #expect(found.count == Self.odd.count && found.allSatisfy { $0.document["__tensorhub_order"] == nil })
            }
            let groups = try await hub.groupResults(.all, by: [try TaskField("x", option: "group-by")])
            // To MongoDB every name leads to an empty array in an array.
            #expect(groups.map(\.key) == [[nil], [.array([])]] && groups.map(\.n) == [Self.odd.count - 1, 1])
            let results = groups.first?.results ?? []
            #expect(results.map(\.name) == ["a\\.b", "c.d", "c.e\\.f", ""])
            #expect(results.map(\.summary.mean) == [1, 2, 3, 4])
        }
    }

    @Test func `A bare name is a result, else a tag, else a hyper-parameter, in each task by itself`() async throws {
        try await withTestHub { hub in
            for fields: BSONDocument in [
                ["result": ["x": 1], "x": 9, "hyper_parameters": ["x": 9]], ["x": 2, "hyper_parameters": ["x": 9]],
                ["hyper_parameters": ["x": 3]], ["result": ["x": .null], "x": 9], [:],
            ] {
                var document = fields
                document["project_name"] = "default"
                document["status"] = "finished"
                try await hub.insertForeignTask(document)
            }
            func keys(_ name: String) async throws -> [BSONValue?] {
                let field = try TaskField(name, option: "group-by")
                return try await hub.groupTasks(.all, by: [field], limit: nil).map { $0.key[0] }
            }
            #expect(Set(try await keys("x")) == [1, 2, 3, nil])
            #expect(Set(try await keys("parameter.x")) == [9, 3, nil])
            #expect(Set(try await keys("tag.x")) == [9, 2, nil])
            let order = try await hub.findTasks(.all, order: try TaskOrder("x:max"), limit: 3)
            #expect(order.map { $0.hyperParameters?["x"] } == [3, 9, 9])
            let known = try TaskField.list("x,state,hub.priority,result.x", option: "sort")
            try await hub.check(known, option: "sort")
            let error = await #expect(throws: HubError.self) {
                try await hub.check([try TaskField("result.xx", option: "sort")], option: "sort")
            }
            #expect(error?.field == "sort" && error?.suggestions == ["x"])
        }
    }

    @Test func `A claim stores the machine where the runner is called otherwise`() async throws {
        try await withTestHub { hub in
            for (name, machine) in [("gpu-1", "gpu-1"), ("left", "gpu-2")] {
                let id = try await hub.createTask(TaskSpec(name: name, script: Array("pass".utf8)))
                let session = RunnerSession(hub, runner: ObjectID(), name: name, host: machine, lease: .seconds(60))
                _ = try await session.claim(id: id)
                let attempt = try #require(try await hub.task(id).history.last)
                #expect(attempt.host == name && attempt.machine == machine)
                let history = try await hub.task(id).document.value(atPath: "hub.history.0")?.documentValue
                #expect(history?["machine"]?.stringValue == (name == machine ? nil : machine))
            }
            for (short, count) in [("host:gpu-2", 1), ("host:left", 1), ("runner:gpu-2", 0), ("host:gpu-*", 2)] {
                #expect(try await hub.findTasks(try Filter(short: short)).count == count, "\(short)")
            }
        }
    }
}
