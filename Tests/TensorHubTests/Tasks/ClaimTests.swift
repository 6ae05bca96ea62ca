import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct ClaimTests {
    @Test func `A claim takes the highest priority first, then the oldest`() async throws {
        try await withTestHub { hub in
            var ids: [Int32: [ObjectID]] = [:]
            for priority: Int32 in [0, 5, 0, 5, -1] {
                var spec = TaskSpec(script: "pass")
                spec.priority = priority
                ids[priority, default: []].append(try await hub.createTask(spec))
            }
            var order: [ObjectID?] = []
            while let task = try await hub.session().claim(1).tasks.first { order.append(task.id) }
            let expected = [5, 0, -1].flatMap { ids[$0] ?? [] }
            #expect(order == expected)
        }
    }

    @Test(arguments: [1, 3]) func `A claim writes state, attempt, lease and history by the server's clock`(count: Int)
        async throws
    {
        try await withTestHub { hub in
            _ = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 5))
            let runner = ObjectID()
            let token = ObjectID()
            let tasks = try await hub.session(runner).claim(count, token: token).tasks
            #expect(tasks.count == count)
            for task in tasks {
                #expect(task.status == .running)
                #expect(task.attempt == 1)
                #expect(task.lease?.runner == runner)
                #expect(task.lease?.token == token)
                let started = try #require(task.started)
                #expect(task.lease?.expires.millisecondsSince1970 == started.millisecondsSince1970 + 60_000)
                #expect(task.history.count == 1)
                #expect(task.history.first?.host == "gpu-1")
                #expect(task.history.first?.start == started)
                #expect(task.history.first?.end == nil)
                #expect(task.script == Array("pass".utf8))
            }
            #expect(try await hub.countTasks()[.running] == count)
        }
    }

    @Test func `Names and any further filter narrow a claim down`() async throws {
        try await withTestHub { hub in
            var specs: [TaskSpec] = []
            for (name, gpus) in [("a", 1), ("b", 1), ("b", 4), ("c", 4)] {
                var spec = TaskSpec(name: name, script: "pass")
                spec.tags = ["gpus": .init(smallest: gpus)]
                specs.append(spec)
            }
            let ids = try await hub.createTasks(specs)
            let query = ClaimQuery(names: ["b", "c"], filter: "gpus" >= 2)
            let tasks = try await hub.session().claim(10, query).tasks
            #expect(Set(tasks.map(\.id)) == [ids[2], ids[3]])
            let byID = try await hub.session().claim(id: ids[0], query)
            #expect(byID == nil)
        }
    }

    @Test func `Many runners that claim at once never get a task twice and leave none behind`() async throws {
        try await withTestHub { hub in
            let ids = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 300))
            let claimed = try await withThrowingTaskGroup(of: [ObjectID].self) { group in
                for index in 0..<16 {
                    group.addTask {
                        var mine: [ObjectID] = []
                        let runner = ObjectID()
                        while true {
                            let session = hub.session(runner, name: "h\(index)")
                            let wanted = index % 4 + 1
                            let tasks = try await session.claim(wanted).tasks
                            #expect(tasks.count <= wanted)
                            mine += tasks.compactMap(\.id)
                            if tasks.isEmpty, try await hub.countTasks()[.pending] == nil { return mine }
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(claimed.count == 300)
            #expect(Set(claimed) == Set(ids))
        }
    }

    @Test func `A document without room for a lease costs a batch nothing, and the batch stays within its number`()
        async throws
    {
        try await withTestHub { hub in
            func spec(_ priority: Int32) -> TaskSpec {
                var spec = TaskSpec(script: "pass")
                spec.priority = priority
                return spec
            }
            let first = try await hub.createTasks([spec(9), spec(8)])
            var large: BSONDocument = [
                "project_name": .string(hub.project), "status": "pending",
                "hub": ["ready": true, "priority": 7, "attempt": 0], "ballast": .binary(BSONBinary(bytes: [])),
            ]
            let room = TaskSpec.maximumDocumentSize - large.bytes.count - 40
            large["ballast"] = .binary(BSONBinary(bytes: Array(repeating: 1, count: room)))
            try await hub.insertForeignTask(large)
            // Nothing is left for a second look.
            let session = hub.session()
            let tasks = try await session.claim(3).tasks
            #expect(Set(tasks.compactMap(\.id)) == Set(first))

            try await hub.insertForeignTask(large)
            _ = try await hub.createTasks([spec(9), spec(8)] + Array(repeating: spec(0), count: 20))
            let more = try await hub.session().claim(3).tasks
            #expect(more.count == 2 || more.count == 3)
            #expect(try await hub.countTasks()[.running] == 2 + more.count)
        }
    }

    @Test func `A task that waits, is held or belongs to another project is not claimed`() async throws {
        try await withTestHub { hub in
            var held = TaskSpec(script: "pass")
            held.hold = true
            var waiting = TaskSpec(script: "pass")
            let now = try await hub.serverTime().millisecondsSince1970
            waiting.notBefore = BSONDateTime(millisecondsSince1970: now + 3_600_000)
            let ids = try await hub.createTasks([held, waiting])
            try await hub.insertForeignTask([
                "project_name": "other", "status": "pending", "hub": ["ready": true, "priority": 9],
            ])
            _ = try await hub.session().adoptAndPromote()
            #expect(try await hub.session().claim(10).tasks.isEmpty)

            #expect(try await hub.releaseTasks(.all) == 1)
            #expect(try await hub.session().claim(10).tasks.map(\.id) == [ids[0]])
        }
    }

    @Test func `A task whose time has come becomes ready`() async throws {
        try await withTestHub { hub in
            var spec = TaskSpec(script: "pass")
            spec.notBefore = try await hub.serverTime()
            let id = try await hub.createTask(spec)
            #expect(try await hub.session().claim(1).tasks.isEmpty)
            #expect(try await eventually { try await hub.session().adoptAndPromote() == 1 })
            #expect(try await hub.session().claim(1).tasks.map(\.id) == [id])
        }
    }

    @Test func `Renewal moves the expiry, tells lost leases and requests to cancel`() async throws {
        try await withTestHub { hub in
            let ids = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            let runner = ObjectID()
            let tasks = try await hub.session(runner).claim(3).tasks
            let first = try #require(tasks.first?.lease?.expires)
            _ = try await hub.cancelTasks(.ids([ids[1]]), by: "me", reason: "typo")
            try await hub.database.collection("Task").updateOne(
                ["_id": .objectID(ids[2])],
                .document(["$set": ["hub.lease.runner": .objectID(ObjectID())]])
            )
            let attempts = ids.map { AttemptID(task: $0, number: 1) }
            let renewal = try await hub.session(runner, lease: .seconds(600)).renew(Set(attempts))
            #expect(renewal.lost == [attempts[2]])
            #expect(renewal.cancelled == [attempts[1]])
            let renewed = try await hub.task(ids[0])
            #expect(try #require(renewed.lease?.expires).millisecondsSince1970 > first.millisecondsSince1970 + 400_000)
            let cancelled = try await hub.task(ids[1])
            #expect(cancelled.status == .running)
            #expect(cancelled.document["hub"]?.documentValue?["cancel"]?.documentValue?["by"] == "me")
        }
    }
}
