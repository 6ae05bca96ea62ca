import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct DeletionTests {
    /// Runs a deletion whose first statement the server holds back until `meanwhile` is done.
    private func holdingBack(
        _ hub: Hub,
        _ failing: FailingHub,
        _ deletion: @escaping @Sendable () async throws -> Void,
        meanwhile: @escaping @Sendable (Hub) async throws -> Void
    ) async throws {
        let uri = try await TestMongo.uri(database: hub.database.name)
        try await Hub.withHub(uri: uri) { other in
            let held: BSONDocument = ["failCommands": ["delete"], "blockConnection": true, "blockTimeMS": 4000]
            try await failing(held, 1) {
                let count = try await timesFailed(other)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await deletion() }
                    let isHeld = try await eventually { try await timesFailed(other) > count }
                    #expect(isHeld)
                    try await meanwhile(other)
                    try await group.waitForAll()
                }
            }
        }
    }

    private func timesFailed(_ hub: Hub) async throws -> Int {
        let reply = try await hub.client.database("admin").runCommand(["getParameter": 1, "failpoint.failCommand": 1])
        return try #require(reply["failpoint.failCommand"]?.documentValue?["timesEntered"]?.intValue)
    }

    @Test func `A task that is claimed while it is deleted stays, with its output`() async throws {
        try await withFailingHub { hub, failing in
            let ids = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 2))
            let chunk = OutputChunk(attempt: 1, seq: 0, offset: 0, data: [65])
            for id in ids { try await hub.session().appendOutput([chunk], of: id) }
            try await holdingBack(hub, failing) {
                let count = try await hub.deleteTasks(.all)
                #expect(count == 1)
            } meanwhile: { other in
                let task = try await other.session().claim(id: ids[0])
                #expect(task != nil)
            }
            #expect(try await hub.task(ids[0]).status == .running)
            #expect(try await hub.readOutput(of: ids[0]).count == 1)
            #expect(try await hub.readOutput(of: ids[1]).isEmpty)
        }
    }

    @Test func `A task that is retried while it is pruned stays, with its log`() async throws {
        try await withFailingHub { hub, failing in
            let ids = [ObjectID(), ObjectID()]
            for id in ids {
                try await hub.insertForeignTask([
                    "_id": .objectID(id), "project_name": .string(hub.project), "status": "failed", "hub": ["v": 1],
                    "time": .dateTime(BSONDateTime(millisecondsSince1970: 0)),
                ])
                try await hub.saveLog(.training, ["loss": 1], origin: AttemptID(task: id, number: 1))
            }
            try await holdingBack(hub, failing) {
                let report = try await hub.prune(Retention(kinds: [.tasks, .logs], statuses: [.failed]))
                #expect(report.counts == [.tasks: 1, .logs: 1])
            } meanwhile: { other in
                let count = try await other.retryTasks(.ids([ids[0]]))
                #expect(count == 1)
            }
            #expect(try await hub.task(ids[0]).status == .pending)
            #expect(try await hub.logs(.training, .tasks([ids[0]])).count == 1)
            #expect(try await hub.countLogs(.training) == 1)
        }
    }

    @Test func `Thousands of entries are deleted by several statements`() async throws {
        try await withTestHub { hub in
            try await hub.saveLogs(.training, (0..<5001).map { ["n": .int32($0)] })
            try await hub.saveLog(.training, ["n": -1])
            try await hub.database.runCommand(["profile": 2])
            #expect(try await hub.deleteLogs(.training, "n" >= 0) == 5001)
            let deletions = try await hub.database.collection("system.profile").findAll(["op": "remove"])
            #expect(deletions.compactMap { $0["ndeleted"]?.intValue }.sorted() == [1001, 2000, 2000])
            try await hub.database.runCommand(["profile": 0])
            #expect(try await hub.countLogs(.training) == 1)
        }
    }

    @Test func `Output of tasks that are gone is garbage once it is old`() async throws {
        try await withTestHub { hub in
            #expect(try await hub.collectOutput(dryRun: true).tasks.isEmpty)
            #expect(try await hub.database.listCollectionNames().isEmpty)
            let kept = try await hub.createTask(TaskSpec(script: "pass"))
            // Of another project of the same database.
            let other = ObjectID()
            try await hub.insertForeignTask(["_id": .objectID(other), "project_name": "other", "status": "finished"])
            let (lost, young) = (ObjectID(), ObjectID())
            for id in [kept, other, lost, young] {
                try await hub.session().appendOutput(
                    (0..<3).map { OutputChunk(attempt: 1, seq: $0, offset: $0, data: [65, 66]) },
                    of: id
                )
            }
            try await hub.database.collection("TaskOutput").updateMany(
                ["task_id": ["$ne": .objectID(young)]],
                .document(["$set": ["time": .dateTime(BSONDateTime(millisecondsSince1970: 1_000_000_000_000))]])
            )
            for isDry in [true, false] {
                let report = try await hub.collectOutput(dryRun: isDry)
                #expect(report.tasks == [.objectID(lost)] && report.chunks == 3 && report.bytes > 0)
            }
            #expect(try await hub.readOutput(of: lost).isEmpty)
            for id in [kept, other, young] { #expect(try await hub.readOutput(of: id).count == 3) }
            #expect(try await hub.collectOutput().tasks.isEmpty)
            #expect(try await hub.collectOutput(olderThan: .zero).tasks == [.objectID(young)])
        }
    }

    @Test func `The search for lost output walks the index from task to task and reads no chunk`() async throws {
        try await withTestHub { hub in
            try await hub.ensureIndexes()
            for _ in 0..<3 {
                let id = ObjectID()
                try await hub.session().appendOutput(
                    (0..<50).map { OutputChunk(attempt: 1, seq: $0, offset: $0, data: [1]) },
                    of: id
                )
            }
            let plan = try await hub.database.runCommand([
                "explain": ["aggregate": "TaskOutput", "pipeline": [["$group": ["_id": "$task_id"]]], "cursor": [:]],
                "verbosity": "executionStats",
            ])
            let text = plan.extendedJSON(.relaxed)
            #expect(text.contains("DISTINCT_SCAN"), "\(text)")
            #expect(text.contains("\"totalDocsExamined\":0") || text.contains("\"totalDocsExamined\": 0"))
        }
    }
}
