import BSON
import Glibc
import HubAPI
import Logging
import MongoDriver
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// What scripts ask MongoDB must cost no neighbour its lease. The server's answers to these queries are slow by a fail
/// point.
@Suite(.timeLimit(.minutes(30))) struct ScriptQueryTests {
    /// Sends queries that take long, all at once, and does not care about the answers.
    private static let greedy = """
        #!/usr/bin/env python3
        import os, socket, time
        ask = "GET /v1/logs/training HTTP/1.1\\r\\nHost: h\\r\\nAuthorization: Bearer %s\\r\\n\\r\\n"
        held = []
        for _ in range(60):
            s = socket.socket(socket.AF_UNIX)
            s.connect(os.environ["TENSORHUB_SOCKET"])
            s.sendall((ask % os.environ["TENSORHUB_ATTEMPT_TOKEN"]).encode())
            held.append(s)
        open(os.environ["TENSORHUB_HP_note"], "w").write("asked")
        time.sleep(600)

        """

    private static let lease: Duration = .seconds(3)

    private func withGreedyScript(
        _ body: (Runner, Hub, _ neighbour: ObjectID, LogLines) async throws -> Void
    ) async throws {
        try await withTestDatabase { admin, name in
            var clientOptions = MongoClient.Options()
            clientOptions.applicationName = "scripts-\(UInt64.random(in: 0 ... .max))"
            let hub = try await Hub.connect(uri: try await TestMongo.uri(database: name), options: clientOptions)
            try await withTemporaryDirectory { folder in
                try await hub.saveLogs(.training, [["a": 1]])
                var greedy = TaskSpec(script: Self.greedy)
                greedy.hyperParameters = ["note": .string("\(folder)/note")]
                greedy.maxFailures = 1
                var quiet = TaskSpec(script: "#!/bin/sh\nexec sleep 600\n")
                quiet.maxFailures = 1
                _ = try await hub.createTask(greedy)
                let neighbour = try await hub.createTask(quiet)
                let block: BSONDocument = [
                    "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 5000,
                    "namespace": .string("\(hub.database.name).TrainLog"),
                ]
                let application = clientOptions.applicationName
                try await withFailCommand(block, applicationName: application, times: nil, client: admin) {
                    var options = RunnerOptions(name: "host", stateDirectory: "\(folder)/state", slots: 2)
                    options.lease = Self.lease
                    options.grace = .seconds(1)
                    options.scriptServer = APIServer()
                    let lines = LogLines()
                    let logger = Logger(label: "test", factory: { _ in lines })
                    let runner = try Runner(hub: hub, options: options, logger: logger)
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { try await runner.run() }
                        #expect(await eventually { access("\(folder)/note", F_OK) == 0 })
                        let result: Result<Void, any Error>
                        do {
                            result = .success(try await body(runner, hub, neighbour, lines))
                        } catch {
                            result = .failure(error)
                        }
                        group.cancelAll()
                        try await group.waitForAll()
                        try result.get()
                    }
                }
            }
            await hub.close()
        }
    }

    private func waiting(_ hub: Hub) -> Int { hub.client.load.reduce(0) { $0 + $1.waiting } }

    @Test func `Sixty slow queries of one script delay no renewal of its neighbour, and nobody rescues it`()
        async throws
    {
        try await withGreedyScript { _, hub, neighbour, log in
            #expect(await eventually { waiting(hub) >= 12 })
            let start = ContinuousClock.now
            var renewals: Set<BSONDateTime> = []
            while ContinuousClock.now - start < Self.lease * 3 {
                let now = try await hub.serverTime()
                let task = try await hub.task(neighbour)
                let expires = try #require(task.lease?.expires)
                #expect(expires > now, "the lease has expired")
                #expect(task.attempt == 1)
                renewals.insert(expires)
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(renewals.count >= 6, "\(renewals.count) renewals in three leases")
            #expect(waiting(hub) >= 8)
            #expect(!log.contains("renewed late"))
        }
    }

    @Test func `A runner that is stopped does not wait for the queries of its scripts`() async throws {
        try await withGreedyScript { runner, hub, neighbour, _ in
            #expect(await eventually { waiting(hub) >= 12 })
            runner.escalate()
            runner.escalate()
            #expect(await eventually(within: .seconds(15)) { runner.snapshot.running == 0 })
            let task = try await hub.task(neighbour)
            #expect(task.status == .pending)
        }
    }

    @Test func `A renewal that is late says so before the lease is gone, with what is under way, and when it is over`()
        async throws
    {
        try await withFailingHub { hub, failing in
            try await withTemporaryDirectory { folder in
                var spec = TaskSpec(script: "#!/bin/sh\ntouch \(folder)/note\nexec sleep 600\n")
                spec.maxFailures = 1
                let id = try await hub.createTask(spec)
                var options = RunnerOptions(name: "host", stateDirectory: "\(folder)/state", slots: 1)
                options.lease = .seconds(8)
                options.grace = .seconds(1)
                let lines = LogLines()
                let runner = try Runner(
                    hub: hub,
                    options: options,
                    logger: Logger(label: "test", factory: { _ in lines })
                )
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await runner.run() }
                    #expect(await eventually { access("\(folder)/note", F_OK) == 0 })
                    let block: BSONDocument = [
                        "failCommands": ["update"], "blockConnection": true, "blockTimeMS": 6000,
                        "namespace": .string("\(hub.database.name).Task"),
                    ]
                    try await failing(block, nil) {
                        #expect(await eventually { lines.contains("renewed late") })
                        let task = try await hub.task(id)
                        let expires = try #require(task.lease?.expires)
                        let now = try await hub.serverTime()
                        #expect(expires > now)
                        #expect(lines.contains("vital"))
                        // Once the renewal has come back it would be too late to say so.
                        #expect(!lines.contains(#""expire.in": 0 s"#))
                    }
                    #expect(await eventually(within: .seconds(30)) { lines.contains("renewed again") })
                    group.cancelAll()
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test
    func `A runner whose filter or order would run code in every claim does not start, and does not take such ones`()
        async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
                let plain = RunnerOptions(name: "host", stateDirectory: folder)
                var options = plain
                options.filter = Filter(["$or": [["$where": "sleep(1000) || true"]]])
                let error = #expect(throws: HubError.self) { try Runner(hub: hub, options: options, logger: logger) }
                #expect(error?.message.contains("filter.$or.0.$where") == true)
                let runner = try Runner(hub: hub, options: plain, logger: logger)
                #expect(throws: HubError.self) { try runner.reload(options) }
                #expect(runner.options.filter == .all)
                options = plain
                options.sort = Sort(["a": ["$function": [:]]])
                #expect(throws: HubError.self) { try runner.reload(options) }
            }
        }
    }
}

/// What was logged, as text.
final class LogLines: LogHandler {
    private let lines = Mutex<[String]>([])

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .info }
        set {}
    }

    func log(event: LogEvent) {
        lines.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
    }

    var texts: [String] { lines.withLock(\.self) }

    func contains(_ words: String) -> Bool { texts.contains { $0.contains(words) } }
}
