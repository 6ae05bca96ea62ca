import BSON
import MongoDriver
import Synchronization
import TensorHub
import TestSupport
import Testing

@Suite struct WaitTests {
    private func setStatus(_ hub: Hub, _ id: ObjectID, _ status: String) async throws {
        try await hub.database.collection("Task").updateOne(
            ["_id": .objectID(id)],
            .document(["$set": ["status": .string(status)]])
        )
    }

    @Test func `A wait ends with its own tasks and tells their progress`() async throws {
        try await withTestHub { hub in
            var specs = Array(repeating: TaskSpec(name: "mine", script: "pass"), count: 2)
            specs.append(TaskSpec(name: "theirs", script: "pass"))
            let ids = try await hub.createTasks(specs)
            let seen = Mutex<[TaskProgress]>([])
            async let outcome = hub.waitForTasks(.named("mine")) { progress in seen.withLock { $0.append(progress) } }
            #expect(await eventually { seen.withLock { $0.first?[.pending] == 2 } })
            try await setStatus(hub, ids[0], "running")
            #expect(await eventually { seen.withLock { $0.last?[.running] == 1 } })
            try await setStatus(hub, ids[0], "finished")
            #expect(await eventually { seen.withLock { $0.last?.fraction == 0.5 } })
            try await setStatus(hub, ids[1], "failed")
            let progress = try await outcome
            #expect(progress.counts == [.finished: 1, .failed: 1])
            #expect(progress.unfinished == 0)
            #expect(try await hub.hasUnfinishedTasks(.named("mine")) == false)
            #expect(try await hub.hasUnfinishedTasks())
        }
    }

    @Test func `A wait for nothing returns at once and says that it was nothing`() async throws {
        try await withTestHub { hub in
            let progress = try await hub.waitForTasks(.named("none"))
            #expect(progress.total == 0)
        }
    }

    @Test func `A wait that takes too long says how many are unfinished`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTask(TaskSpec(script: "pass"))
            do {
                _ = try await hub.waitForTasks(.all, timeout: .milliseconds(200))
                Issue.record("returned")
            } catch let error as HubError {
                #expect(error.code == .timeout)
                #expect(error.message.contains("1 of 1"))
            }
        }
    }

    @Test func `A cancelled wait ends`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTask(TaskSpec(script: "pass"))
            let wait = Task { try await hub.waitForTasks(.all) }
            wait.cancel()
            await #expect(throws: CancellationError.self) { try await wait.value }
        }
    }

    @Test func `Selections by state count only what is unfinished`() async throws {
        try await withTestHub { hub in
            _ = try await hub.createTask(TaskSpec(script: "pass"))
            #expect(try await hub.hasUnfinishedTasks(TaskSelection(statuses: [.pending])))
            #expect(try await hub.hasUnfinishedTasks(TaskSelection(statuses: [.running])) == false)
            #expect(try await hub.hasUnfinishedTasks(TaskSelection(statuses: [.finished])) == false)
        }
    }
}
