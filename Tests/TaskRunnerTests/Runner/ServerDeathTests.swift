import BSON
import LocalMongo
import Logging
import MongoDriver
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// Tasks that end MongoDB where a claim cannot see it beforehand, and tasks of newer versions, under a whole runner.
@Suite(.timeLimit(.minutes(30))) struct ServerDeathTests {
    /// The messages of a log, with their metadata.
    private final class Messages: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }

        struct Handler: LogHandler {
            let messages: Messages
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.info
            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { metadata[key] }
                set { metadata[key] = newValue }
            }
            func log(event: LogEvent) {
                let line = "\(event.message) \(event.metadata ?? [:])"
                messages.lines.withLock { $0.append(line) }
            }
        }

        func logger() -> Logger { Logger(label: "test", factory: { _ in Handler(messages: self) }) }
    }

    private func withRunner(
        _ hub: Hub,
        slots: Int,
        _ logger: Logger,
        _ body: () async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { folder in
            let options = RunnerOptions(name: "test-host", stateDirectory: folder, slots: slots)
            let runner = try Runner(hub: hub, options: options, logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await runner.run() }
                defer { group.cancelAll() }
                try await body()
            }
        }
    }

    /// A lease in a pending task is somebody's own; a claim writes ours over it.
    private func poisoned(_ project: String) -> BSONDocument {
        let lease = BSONDocument(elements: [("runner", 1), ("runner", 2)])
        return [
            "_id": .objectID(ObjectID()), "project_name": .string(project), "status": "pending",
            "time": .dateTime(BSONDateTime(millisecondsSince1970: 1)), "hyper_parameters": [:], "saved_result_keys": [],
            "script": .binary(BSONBinary(bytes: Array("#!/bin/true\n".utf8))), "result": [:],
            "hub": ["v": 1, "ready": true, "priority": 9, "attempt": 0, "lease": .document(lease)],
        ]
    }

    @Test(arguments: [1, 3]) func `After MongoDB has died under a claim the runner finds the task that did it`(
        slots: Int
    ) async throws {
        try await withTemporaryDirectory { folder in
            let first = try await LocalMongoServer.start(dataDirectory: folder)
            let uri = first.uri.replacing("/?", with: "/odd?")
            let messages = Messages()
            let logger = messages.logger()
            let hub = try await Hub.connect(uri: uri, logger: logger)
            let poison = poisoned(hub.project)
            try await hub.database.collection("Task").insertOne(poison)
            let good = try await hub.createTasks(
                Array(repeating: TaskSpec(script: "#!/bin/true\n"), count: 20)
            )
            let server = Mutex(first)
            try await withRunner(hub, slots: slots, logger) {
                #expect(await eventually(within: .seconds(60)) { !first.isRunning })
                // libmongoc repeats a claim whose connection broke once by itself: that may end MongoDB a second time.
                var deaths = 0
                var areFinished = false
                while !areFinished, deaths < 3 {
                    deaths += 1
                    // Which may come while it is still starting.
                    guard let next = try? await LocalMongoServer.start(dataDirectory: folder, port: first.port)
                    else { continue }
                    server.withLock { $0 = next }
                    _ = await eventually(within: .seconds(90)) {
                        areFinished = (try? await hub.countTasks(.ids(good))[.finished]) == 20
                        return areFinished || !next.isRunning
                    }
                    if next.isRunning { break }
                }
                #expect(areFinished && deaths <= 2, "\(deaths) deaths; \(messages.all)")
                let id = try #require(poison["_id"]?.objectIDValue)
                let task = try await hub.task(id)
                #expect(task.status == .failed)
                #expect(task.error?.message.contains("'hub.lease.runner' twice") == true)
                #expect(messages.all.contains { $0.contains("a key twice") && $0.contains("\(id)") })
            }
            await hub.close()
            await server.withLock { $0 }.kill()
        }
    }

    @Test func `The log tells once of tasks for newer runners, and they stay`() async throws {
        try await withTestHub { hub in
            func insert() async throws {
                try await hub.insertForeignTask([
                    "project_name": .string(hub.project), "status": "pending", "hub": ["v": 3, "ready": 3],
                ])
            }
            try await insert()
            let messages = Messages()
            func told() -> Int { messages.all.count { $0.contains("newer runners") } }
            try await withRunner(hub, slots: 1, messages.logger()) {
                #expect(await eventually { told() == 1 })
                for _ in 0..<3 { try await insert() }
                let id = try await hub.createTask(TaskSpec(script: "#!/bin/true\n"))
                try await hub.waitForTasks(.ids([id]), timeout: .seconds(60))
                #expect(told() == 1)
                #expect(try await hub.countTasks()[.pending] == 4)
            }
        }
    }
}
