import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct RescueTests {
    private func claim(_ hub: Hub, _ runner: ObjectID = ObjectID(), lease: Duration = .seconds(60)) async throws
        -> TaskRecord
    {
        let session = hub.session(runner, lease: lease)
        return try #require(try await session.claim(1).tasks.first)
    }

    private func expire(_ hub: Hub, _ id: ObjectID) async throws {
        _ = try await hub.database.collection("Task").updateOne(
            ["_id": .objectID(id)],
            .document(["$set": ["hub.lease.expires": .dateTime(BSONDateTime(millisecondsSince1970: 1))]])
        )
    }

    @Test func `Only a task whose lease has expired goes back to the queue`() async throws {
        try await withTestHub { hub in
            let lost = try await hub.createTask(TaskSpec(script: "pass"))
            let other = try await claim(hub)
            #expect(other.id == lost)
            let living = try await hub.createTask(TaskSpec(script: "pass"))
            _ = try await claim(hub)
            // TensorLayer's own runner writes no lease.
            try await hub.insertForeignTask([
                "project_name": .string(hub.project), "status": "running", "script": .binary(BSONBinary(bytes: [1])),
            ])
            try await hub.insertForeignTask([
                "project_name": .string(hub.project), "status": "running", "hub": ["lease": "mine", "lost": "many"],
            ])
            #expect(try await hub.session().rescue() == 0)
            #expect(try await hub.session().expiredLeases().isEmpty)
            try await expire(hub, lost)
            #expect(try await hub.session().expiredLeases() == [lost: BSONDateTime(millisecondsSince1970: 1)])
            #expect(try await hub.session().rescue([living]) == 0)
            #expect(try await hub.session().rescue(overdue: .seconds(1 << 40)) == 0)
            #expect(try await hub.session().rescue() == 1)
            #expect(try await hub.session().rescue() == 0)

            let task = try await hub.task(lost)
            #expect(task.status == .pending && task.lease == nil)
            #expect(task.lost == 1 && task.interruptions == 1 && task.failures == 0)
            #expect(task.history.map(\.cause) == ["runner-lost"])
            #expect(task.history.first?.end != nil)
            #expect(try await hub.task(living).status == .running)
            #expect(try await hub.countTasks() == [.pending: 1, .running: 3])
            let again = try await claim(hub)
            #expect(again.id == lost && again.attempt == 2)
        }
    }

    @Test func `A runner that comes back too late is told so and changes nothing`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let late = ObjectID()
            _ = try await claim(hub, late)
            try await expire(hub, id)
            #expect(try await hub.session().rescue() == 1)
            let end = AttemptEnd(
                AttemptID(task: id, number: 1),
                transition: .finish(result: ["x": 1]),
                cause: "finished"
            )
            #expect(try await hub.session(late).deliver([end]) == [.leaseLost])
            #expect(try await hub.session(late).renew([AttemptID(task: id, number: 1)]).lost.map(\.task) == [id])
            #expect(try await hub.task(id).status == .pending)
        }
    }

    @Test func `An expired lease that nobody took is simply renewed`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let runner = ObjectID()
            _ = try await claim(hub, runner)
            try await expire(hub, id)
            #expect(try await hub.session(runner).renew([AttemptID(task: id, number: 1)]).lost.isEmpty)
            #expect(try await hub.session().rescue() == 0)
        }
    }

    @Test func `A task that lost five runners is failed`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            for count in 1...5 {
                _ = try await claim(hub)
                try await expire(hub, id)
                #expect(try await hub.session().rescue() == 1)
                #expect(try await hub.task(id).lost == count)
            }
            let task = try await hub.task(id)
            #expect(task.status == .failed && task.error?.kind == "runner-lost")
            #expect(task.ended != nil && task.failures == 0)
        }
    }

    @Test func `A lost supervisor counts as a lost runner does`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            for count in 1...5 {
                let runner = ObjectID()
                let task = try await claim(hub, runner)
                let end = AttemptEnd(
                    AttemptID(task: id, number: task.attempt),
                    transition: .lost(TaskFailure(kind: "runner-lost", message: "gone")),
                    cause: "supervisor-lost"
                )
                #expect(try await hub.session(runner).deliver([end]) == [.accepted])
                #expect(try await hub.session(runner).deliver([end]) == [.accepted], "the reply was lost")
                #expect(try await hub.task(id).status == (count < 5 ? .pending : .failed))
            }
            #expect(try await hub.task(id).history.allSatisfy { $0.cause == "supervisor-lost" })
        }
    }

    @Test func `A lost task that somebody has cancelled is cancelled`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            _ = try await claim(hub)
            _ = try await hub.cancelTasks(.ids([id]))
            #expect(try await hub.task(id).status == .running)
            try await expire(hub, id)
            #expect(try await hub.session().rescue() == 1)
            #expect(try await hub.task(id).status == .cancelled)
        }
    }

    @Test func `A document without room for its rescue does not stop the others`() async throws {
        try await withTestHub { hub in
            let tasks = hub.database.collection("Task")
            let hubs: BSONDocument = [
                "v": 1, "ready": true, "attempt": 1, "history": [],
                "lease": [
                    "runner": .objectID(ObjectID()), "token": .objectID(ObjectID()),
                    "expires": .dateTime(BSONDateTime(millisecondsSince1970: 1)),
                ],
            ]
            let ballast = BSONBinary(bytes: Array(repeating: 1, count: 16 * 1024 * 1024 - 330))
            let large: BSONDocument = [
                "project_name": .string(hub.project), "status": "running", "hub": .document(hubs),
                "script": .binary(ballast),
            ]
            _ = try await tasks.insertMany([large])
            _ = try await tasks.insertMany([
                ["project_name": .string(hub.project), "status": "running", "hub": .document(hubs)]
            ])
            _ = try await hub.session().rescue()
            #expect(try await hub.session().rescue() == 0)
            let counts = try await hub.countTasks()
            #expect(counts[.running] == nil, "\(counts)")
            #expect(counts[.pending, default: 0] >= 1)
        }
    }

    @Test func `A task that runs without a lease is run again only where that is asked for`() async throws {
        try await withTestHub { hub in
            try await hub.insertForeignTask([
                "project_name": .string(hub.project), "status": "running", "hyper_parameters": [:],
                "saved_result_keys": [], "script": .binary(BSONBinary(bytes: [1])), "result": [:],
                "hub": ["deadline": .dateTime(BSONDateTime(millisecondsSince1970: 1000))],
            ])
            #expect(try await hub.session().rescue() == 0)
            #expect(try await hub.session().rescueUnleased(after: .seconds(3600)) == 0)
            #expect(try await eventually { try await hub.session().rescueUnleased(after: .milliseconds(1)) == 1 })
            #expect(try await hub.session().adoptAndPromote() == 1)
            #expect(try await claim(hub).attempt == 1)
        }
    }

    @Test func `A restarted runner owns its attempts again, and nobody else's`() async throws {
        try await withTestHub { hub in
            let ids = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            let (old, new, other) = (ObjectID(), ObjectID(), ObjectID())
            for runner in [old, other, old] { _ = try await claim(hub, runner) }
            try await expire(hub, ids[2])
            _ = try await hub.session().rescue()
            let first = ids.map { AttemptID(task: $0, number: 1) }
            let attempts = Dictionary(uniqueKeysWithValues: first.map { ($0, [old]) })
            for _ in 1...2 {
                let owned = try await hub.session(new).takeOver(attempts)
                #expect(Set(owned.keys) == [first[0]])
                #expect(owned[first[0]]?.script == Array("pass".utf8))
            }
            let task = try await hub.task(ids[0])
            #expect(task.lease?.runner == new && task.history.map(\.runner) == [new])
            let end = AttemptEnd(first[0], transition: .finish(result: [:]), cause: "finished")
            #expect(try await hub.session(old).deliver([end]) == [.leaseLost])
            #expect(try await hub.session(new).deliver([end]) == [.accepted])
            #expect(try await hub.session(new).deliver([end]) == [.accepted])
        }
    }

    @Test func `A task that nobody took by its deadline is failed`() async throws {
        try await withTestHub { hub in
            var spec = TaskSpec(script: "pass")
            spec.deadline = BSONDateTime(millisecondsSince1970: 1000)
            let late = try await hub.createTask(spec)
            spec.deadline = BSONDateTime(millisecondsSince1970: 4_000_000_000_000)
            let waiting = try await hub.createTask(spec)
            _ = try await hub.session().adoptAndPromote()
            #expect(try await hub.task(late).error?.kind == "queue-deadline")
            #expect(try await hub.task(late).status == .failed)
            #expect(try await hub.task(waiting).status == .pending)
            // Retried by hand it is not failed again for the same.
            #expect(try await hub.retryTasks(.ids([late])) == 1)
            _ = try await hub.session().adoptAndPromote()
            #expect(try await hub.task(late).status == .pending)
        }
    }

    @Test func `A task that was taken by its deadline comes back after it and is not failed`() async throws {
        try await withTestHub { hub in
            var spec = TaskSpec(script: "pass")
            spec.deadline = BSONDateTime(millisecondsSince1970: 1000)
            let id = try await hub.createTask(spec)
            let runner = ObjectID()
            let task = try await claim(hub, runner)
            let end = AttemptEnd(
                AttemptID(task: id, number: task.attempt),
                transition: .release(delay: nil),
                cause: "drain"
            )
            #expect(try await hub.session(runner).deliver([end]) == [.accepted])
            _ = try await hub.session().adoptAndPromote()
            #expect(try await hub.task(id).status == .pending)
            #expect(try await claim(hub).id == id)
            try await expire(hub, id)
            #expect(try await hub.session().rescue() == 1)
            _ = try await hub.session().adoptAndPromote()
            #expect(try await hub.task(id).status == .pending)
        }
    }

    @Test func `A task to be tried elsewhere is left to other runners`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let runner = ObjectID()
            let task = try await claim(hub, runner)
            let end = AttemptEnd(
                AttemptID(task: id, number: task.attempt),
                transition: .retry(TaskFailure(kind: "exit-status", message: "x"), delay: .zero, avoiding: "gpu-1"),
                cause: "exit-status"
            )
            #expect(try await hub.session(runner).deliver([end]) == [.accepted])
            #expect(try await hub.task(id).avoided == ["gpu-1"])
            #expect(try await hub.session(runner).claim(1).tasks.isEmpty)
            #expect(try await hub.session(runner, name: "gpu-2").claim(1).tasks.count == 1)
        }
    }
}
