import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct ReportTests {
    private let runner = ObjectID()

    private func claim(_ hub: Hub, _ count: Int = 1) async throws -> [TaskRecord] {
        try await hub.session(runner).claim(count).tasks
    }

    private func end(_ task: TaskRecord, _ transition: AttemptEnd.Transition, cause: String = "finished") throws
        -> AttemptEnd
    {
        AttemptEnd(
            try #require(task.attemptID),
            transition: transition,
            cause: cause,
            exit: 0,
            peakMemory: 4096
        )
    }

    @Test func `State, result, history and times are written at once and the lease goes away`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass", savedResultKeys: ["accuracy"]))
            let task = try #require(try await claim(hub).first)
            let result: BSONDocument = ["accuracy": .double(.nan), "word": "$not_a_field", "n": .int64(1 << 40)]
            let end = try end(task, .finish(result: result))
            #expect(try await hub.session(runner).deliver([end]) == [.accepted])
            let stored = try await hub.task(id)
            #expect(stored.status == .finished)
            #expect(stored.result["accuracy"]?.doubleValue?.isNaN == true)
            #expect(stored.result["word"] == "$not_a_field")
            #expect(stored.result["n"] == .int64(1 << 40))
            #expect(stored.lease == nil)
            #expect(stored.ended != nil)
            #expect(stored.history.first?.cause == "finished")
            #expect(stored.history.first?.end == stored.ended)
            #expect(stored.history.first?.exit == 0)
            #expect(stored.history.first?.peakMemory == 4096)

            // The reply was lost and the report is sent again.
            #expect(try await hub.session(runner).deliver([end]) == [.accepted])
            #expect(try await hub.task(id) == stored)
        }
    }

    @Test func `A report of an attempt that is no longer the task's changes nothing`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let task = try #require(try await claim(hub).first)
            let tasks = hub.database.collection("Task")
            for change: BSONDocument in [
                ["hub.attempt": 2], ["hub.lease.runner": .objectID(ObjectID())], ["status": "cancelled"],
            ] {
                try await tasks.updateOne(["_id": .objectID(id)], .document(["$set": .document(change)]))
                let before = try await hub.task(id)
                let outcome = try await hub.session(runner).deliver([try end(task, .finish(result: ["x": 1]))])
                #expect(outcome == [.leaseLost])
                #expect(try await hub.task(id) == before)
            }
            _ = try await hub.deleteTasks(.ids([id]), includingRunning: true)
            let outcome = try await hub.session(runner).deliver([try end(task, .finish(result: [:]))])
            #expect(outcome == [.leaseLost])
        }
    }

    @Test func `One report that MongoDB refuses does not stop the others`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            let tasks = try await claim(hub, 3)
            var ends = try tasks.map { try end($0, .finish(result: ["x": 1])) }
            let large = BSONBinary(bytes: Array(repeating: 1, count: 16 * 1024 * 1024 - 200))
            ends[1].transition = .finish(result: ["large": .binary(large)])
            let outcomes = try await hub.session(runner).deliver(ends)
            #expect(outcomes[0] == .accepted && outcomes[2] == .accepted)
            guard case .refused = outcomes[1] else {
                Issue.record("\(outcomes[1])")
                return
            }
            #expect(try await hub.task(try #require(tasks[1].id)).status == .running)
        }
    }

    @Test func `A failure ends the task, a retry and a release give it back`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let failure = TaskFailure(kind: "exit-status", message: "exit status 1", tail: "$boom")
            var task = try #require(try await claim(hub).first)
            let retry = try end(task, .retry(failure, delay: .zero), cause: "exit-status")
            #expect(try await hub.session(runner).deliver([retry]) == [.accepted])
            var stored = try await hub.task(id)
            #expect(stored.status == .pending && stored.failures == 1 && stored.error == failure)

            task = try #require(try await claim(hub).first)
            #expect(task.attempt == 2)
            _ = try await hub.session(runner).deliver([try end(task, .release(delay: nil), cause: "drain")])
            stored = try await hub.task(id)
            #expect(stored.status == .pending && stored.failures == 1)
            #expect(stored.history.map(\.cause) == ["exit-status", "drain"])

            task = try #require(try await claim(hub).first)
            _ = try await hub.session(runner).deliver([
                try end(task, .release(delay: .seconds(60)), cause: "checkpoint")
            ])
            #expect(try await claim(hub).isEmpty)
            let tasks = hub.database.collection("Task")
            try await tasks.updateOne(["_id": .objectID(id)], .pipeline([["$set": ["hub.not_before": "$$NOW"]]]))
            _ = try await hub.session().adoptAndPromote()

            task = try #require(try await claim(hub).first)
            _ = try await hub.session(runner).deliver([try end(task, .fail(failure), cause: "exit-status")])
            stored = try await hub.task(id)
            #expect(stored.status == .failed && stored.failures == 2 && stored.error?.tail == "$boom")
            #expect(stored.document["hub"]?.documentValue?["interruptions"]?.intValue == 2)

            #expect(try await hub.retryTasks(.ids([id])) == 1)
            stored = try await hub.task(id)
            #expect(stored.status == .pending && stored.failures == 0 && stored.error == nil)
            #expect(stored.history.count == 4)
            #expect(try await claim(hub).first?.attempt == 5)
        }
    }

    @Test func `A cancel that comes while the attempt ends keeps the task from running again`() async throws {
        try await withTestHub { hub in
            let failure = TaskFailure(kind: "exit-status", message: "exit status 1")
            for transition: AttemptEnd.Transition in [
                .retry(failure, delay: .zero), .release(delay: nil), .release(delay: .seconds(9)),
            ] {
                let id = try await hub.createTask(TaskSpec(script: "pass"))
                let task = try #require(try await claim(hub).first)
                _ = try await hub.cancelTasks(.ids([id]), by: "ada")
                #expect(
                    try await hub.session(runner).deliver([try end(task, transition, cause: "drain")]) == [.accepted]
                )
                let stored = try await hub.task(id)
                #expect(stored.status == .cancelled && stored.ended != nil && stored.lease == nil)
                #expect(stored.document.value(atPath: "hub.cancel.by") == "ada")
            }
        }
    }

    @Test func `Cancelling ends what nobody runs and asks the runner of what runs`() async throws {
        try await withTestHub { hub in
            let ids = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            let task = try #require(try await claim(hub).first)
            // As one of TensorLayer's runners leaves it: running without a lease.
            try await hub.database.collection("Task").updateOne(
                ["_id": .objectID(ids[1])],
                .document(["$set": ["status": "running"]])
            )
            #expect(try await hub.cancelTasks(.all, by: "ada", reason: "$wrong") == 3)
            #expect(try await hub.task(ids[1]).status == .cancelled)
            #expect(try await hub.task(ids[2]).status == .cancelled)
            #expect(try await hub.task(ids[2]).ended != nil)
            let running = try await hub.task(ids[0])
            #expect(running.status == .running && running.cancelRequested)
            _ = try await hub.session(runner).deliver([try end(task, .cancelled, cause: "cancelled")])
            let ended = try await hub.task(ids[0])
            #expect(ended.status == .cancelled && ended.lease == nil)
            #expect(ended.document["hub"]?.documentValue?["cancel"]?.documentValue?["reason"] == "$wrong")
            #expect(try await hub.cancelTasks(.all) == 0)
        }
    }

    @Test func `Chunks of output that are there already hide none that was refused`() async throws {
        try await withTestHub { hub in
            try await hub.ensureIndexes()
            let id = ObjectID()
            let chunks = (0..<2).map { OutputChunk(attempt: 1, seq: $0, offset: $0, data: [65]) }
            try await hub.session().appendOutput([chunks[0]], of: id)
            try await hub.database.runCommand([
                "collMod": "TaskOutput", "validator": ["seq": ["$lt": 1]],
            ])
            await #expect(throws: HubError.self) { try await hub.session().appendOutput(chunks, of: id) }
            try await hub.database.runCommand(["collMod": "TaskOutput", "validator": [:]])
            for _ in 1...2 { try await hub.session().appendOutput(chunks, of: id) }
            #expect(try await hub.readOutput(of: id).map(\.seq) == [0, 1])
        }
    }

    @Test func `A chunk of output that is stored twice for want of the unique index is read once`() async throws {
        try await withTestHub { hub in
            let id = ObjectID()
            let chunks = (0..<3).map { OutputChunk(attempt: 1, seq: $0, offset: $0, data: [65]) }
            try await hub.session().appendOutput(chunks, of: id)
            try await hub.session().appendOutput([chunks[1]], of: id)
            // Now the index is refused, which is no reason to read nothing.
            try await hub.ensureIndexes()
            #expect(try await hub.output.countDocuments() == 4)
            #expect(try await hub.readOutput(of: id).map(\.seq) == [0, 1, 2])
        }
    }

    @Test func `A report is not taken for done while the majority has not got it`() async throws {
        try await withFailingHub { hub, failing in
            _ = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 2))
            var ends = try await claim(hub, 2).map { try end($0, .finish(result: ["x": 1])) }
            let large = BSONBinary(bytes: Array(repeating: 1, count: 16 * 1024 * 1024 - 200))
            ends[1].transition = .finish(result: ["large": .binary(large)])
            let fault: BSONDocument = ["code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"]
            try await failing(["failCommands": ["update"], "writeConcernError": .document(fault)], nil) {
                let error = await #expect(throws: HubError.self) { try await hub.session(runner).deliver(ends) }
                #expect(error?.isTransient == true)
            }
            let outcomes = try await hub.session(runner).deliver(ends)
            #expect(outcomes[0] == .accepted)
        }
    }

    @Test func `Deleting takes the output along and spares what runs`() async throws {
        try await withTestHub { hub in
            let ids = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 2))
            _ = try await claim(hub)
            let chunk = OutputChunk(attempt: 1, seq: 0, offset: 0, data: [65])
            for id in ids { try await hub.session().appendOutput([chunk], of: id) }
            #expect(try await hub.deleteTasks(.all) == 1)
            #expect(try await hub.readOutput(of: ids[1]).isEmpty)
            #expect(try await hub.readOutput(of: ids[0]).count == 1)
            #expect(try await hub.deleteTasks(.all, includingRunning: true) == 1)
            #expect(try await hub.readOutput(of: ids[0]).isEmpty)
            await #expect(throws: HubError.self) { try await hub.task(ids[0]) }
        }
    }
}
