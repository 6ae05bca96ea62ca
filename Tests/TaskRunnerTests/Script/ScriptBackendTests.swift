import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// What a script does through the script API, on a real runner; `DirectServer` stands for HTTP.
@Suite(.timeLimit(.minutes(30))) struct ScriptBackendTests {
    /// Runs until the file `go` is there.
    private static let waiting = "until test -e \"$GATE\"; do sleep 0.01; done"

    private struct Run {
        var id: ObjectID
        var backend: any ScriptBackend
        var attempt: any ScriptAttempt
        var runner: Runner
        var gate: String

        func open() throws { try writeFile(gate, "") }
    }

    private func withScript(
        _ script: String = "",
        after: String = "",
        hyperParameters: BSONDocument = [:],
        keys: [String] = [],
        timeout: Duration? = nil,
        _ body: (Hub, Run) async throws -> Void
    ) async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let server = DirectServer()
                let gate = "\(folder)/go"
                var spec = TaskSpec(
                    script: "#!/bin/sh\nGATE=\(gate)\n\(script)\n\(Self.waiting)\n\(after)\n"
                )
                spec.maxFailures = 1
                spec.backoff = .zero
                spec.hyperParameters = hyperParameters
                spec.savedResultKeys = keys
                spec.timeout = timeout
                let id = try await hub.createTask(spec)
                try await withRunner(hub, slots: 1, { $0.scriptServer = server }) { runner in
                    let backend = try #require(await server.backend())
                    let attempt = try #require(backend.attempt)
                    try await body(hub, Run(id: id, backend: backend, attempt: attempt, runner: runner, gate: gate))
                }
            }
        }
    }

    @Test func `A script is told where the API is, and the socket's place fits into an address`() async throws {
        try await withScript("echo $TENSORHUB_SOCKET; echo $TENSORHUB_SPOOL_FILE") { hub, run in
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
            let lines = String(decoding: try await hub.readOutput(of: run.id).flatMap(\.data), as: UTF8.self)
                .split(separator: "\n")
            #expect(lines.count == 2)
            #expect(lines.first?.hasSuffix("/s") == true && (lines.first?.utf8.count ?? 200) < 108)
            #expect(lines.last?.hasSuffix("/journal/unsent.jsonl") == true)
        }
    }

    @Test func `A long state directory has its sockets elsewhere`() {
        let directory = AttemptDirectory(
            AttemptID(task: ObjectID(), number: 1),
            in: "/" + String(repeating: "x", count: 100)
        )
        let token = ObjectID()
        let path = ScriptSocket.path(for: directory, token: token)
        #expect(path == "/tmp/tensorhub-\(geteuid())/\(token)")
    }

    @Test func `The task is what the script was given`() async throws {
        try await withScript(hyperParameters: ["lr": 0.5]) { _, run in
            let task = try await run.attempt.task()
            #expect(task["_id"] == .objectID(run.id))
            #expect(task["hyper_parameters"] == ["lr": 0.5])
            #expect(task["script"] == nil)
            #expect(run.attempt.id == AttemptID(task: run.id, number: 1))
        }
    }

    @Test func `Of a result the API's word counts, then the file's`() async throws {
        try await withScript(
            after: #"echo '{"a": 1, "b": 2}' > $TENSORHUB_RESULT_FILE"#,
            keys: ["c"]
        ) {
            hub,
            run in
            try await run.attempt.mergeResults(["b": 3, "c": .double(.nan)])
            try await run.attempt.mergeResults(["d": 5, "b": 4])
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
            let task = try await hub.task(run.id)
            #expect(task.status == .finished, "\(task.document)")
            #expect(["a", "b", "d"].map { task.result[$0]?.intValue } == [1, 4, 5])
            #expect(task.result["c"]?.doubleValue?.isNaN == true)
        }
    }

    @Test func `Results that no task has room for are refused and those before them stay`() async throws {
        try await withScript { hub, run in
            try await run.attempt.mergeResults(["a": 1])
            let error = await #expect(throws: HubError.self) {
                try await run.attempt.mergeResults(["b": .string(String(repeating: "x", count: 17 << 20))])
            }
            #expect(error?.code == .invalidInput)
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
            #expect(try await hub.task(run.id).result == ["a": 1])
        }
    }

    @Test func `Progress is seen while the script runs and is gone at its end`() async throws {
        try await withScript { hub, run in
            try await run.attempt.report(ScriptProgress(fraction: 0.1, message: "first"))
            try await run.attempt.report(ScriptProgress(fraction: 0.5, message: "half"))
            #expect(try await eventually { try await hub.task(run.id).progress?.message == "half" })
            let progress = try #require(try await hub.task(run.id).progress)
            #expect(progress.fraction == 0.5 && progress.time != nil)
            try await run.attempt.report(ScriptProgress(fraction: nil, message: "no number"))
            #expect(try await eventually { try await hub.task(run.id).progress?.message == "no number" })
            #expect(try await hub.task(run.id).progress?.fraction == nil)
            for wrong in [-0.1, 1.5, Double.nan] {
                let error = await #expect(throws: HubError.self) {
                    try await run.attempt.report(ScriptProgress(fraction: wrong, message: nil))
                }
                #expect(error?.field == "fraction")
            }
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
            #expect(try await hub.task(run.id).progress == nil)
        }
    }

    @Test func `A wait for control ends at once when the script is to stop, and says how long it has`() async throws {
        try await withScript("trap 'sleep 0.1; exit 3' TERM") { hub, run in
            let before = await run.attempt.control(waiting: .zero)
            #expect(before == ScriptControl())
            async let waited = run.attempt.control(waiting: .seconds(60))
            _ = try await hub.cancelTasks(.ids([run.id]))
            let control = await waited
            #expect(control.stop && control.reason == "cancelled")
            #expect(control.remaining.map { $0 > .seconds(1) && $0 <= .seconds(5) } == true)
            try await hub.waitForTasks(.ids([run.id]))
            #expect(try await hub.task(run.id).status == .cancelled)
        }
    }

    @Test func `A script that runs out of time hears of it`() async throws {
        try await withScript("trap '' TERM", timeout: .milliseconds(300)) { hub, run in
            let control = await run.attempt.control(waiting: .seconds(60))
            #expect(control.stop && control.reason == "timeout")
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
        }
    }

    @Test func `The API ends with the script`() async throws {
        try await withTestHub { hub in
            let server = DirectServer()
            try await withRunner(hub, slots: 1, { $0.scriptServer = server }) { runner in
                let id = try await hub.createTask(TaskSpec(script: "#!/bin/sh\n"))
                try await hub.waitForTasks(.ids([id]))
                #expect(await eventually { !server.isServing })
                #expect(await eventually { entries("\(runner.options.stateDirectory)/attempts").isEmpty })
            }
        }
    }
}

/// What a script saves, on its way through the outbox to a real MongoDB.
extension ScriptBackendTests {
    @Test func `All that a script has logged is in MongoDB before its task is finished, each once and in order`()
        async throws
    {
        try await withScript { hub, run in
            let count = 3000
            for start in stride(from: 0, to: count, by: 10) {
                let values = (start..<start + 10).map { ["step": .init(smallest: $0)] as BSONDocument }
                try await run.backend.saveLogs(start % 20 == 0 ? .training : .validation, values)
            }
            let again: BSONDocument = ["_id": .objectID(ObjectID()), "loss": 0.5]
            try await run.backend.saveLogs(.testing, [again])
            try await run.backend.saveLogs(.testing, [again])
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
            let training = try await hub.logs(.training)
            let validation = try await hub.logs(.validation)
            let steps = (training + validation).compactMap { $0.document["step"]?.intValue }
            #expect(steps.count == count && Set(steps).count == count)
            #expect(training.compactMap { $0.document["step"]?.intValue } == steps.prefix(count / 2).sorted())
            #expect(training.allSatisfy { $0.origin == AttemptID(task: run.id, number: 1) })
            #expect(try await hub.logs(.testing).count == 1)
            #expect(try await hub.task(run.id).history.first?.refused == 0)
        }
    }

    @Test func `What was written is found by a query right after`() async throws {
        try await withScript { hub, run in
            for step in 0..<20 {
                try await run.backend.saveLogs(.training, [["step": .init(smallest: step)]])
                await run.backend.settle()
                #expect(try await hub.logs(.training).count == step + 1)
            }
            #expect(run.runner.snapshot.running == 1)
        }
    }

    @Test func `A model is stored with the attempt that made it, and its files go`() async throws {
        try await withScript { hub, run in
            let file = "\(run.backend.spoolFolder)/upload"
            try writeFile(file, String(repeating: "weights", count: 100_000))
            let id = ObjectID()
            let parameters = Content(kind: .file, files: [SourceFile(path: "w.npz", source: .file(file))])
            let document = try await run.backend.saveModel(
                parameters,
                name: "mlp",
                architecture: ["layers": 3],
                tags: ["accuracy": 0.9],
                id: id
            )
            #expect(document["_id"] == .objectID(id) && document["accuracy"] == 0.9)
            await run.backend.settle()
            let model = try await hub.findModel(ContentQuery(name: "mlp"))
            #expect(model.id == id && model.version == 1 && model.files.map(\.path) == ["w.npz"])
            #expect(model.lineage?.origin == AttemptID(task: run.id, number: 1))
            #expect(model.files.first?.blob.length == 700_000)
            let kept = "\(run.runner.launcher.attemptsFolder)/\(run.id).1/journal/kept"
            #expect(await eventually { entries(kept).isEmpty })
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
        }
    }

    @Test func `What MongoDB would refuse is refused at once, and leaves nothing`() async throws {
        try await withScript { hub, run in
            let reserved = await #expect(throws: HubError.self) {
                try await run.backend.saveLogs(.training, [["loss": 1.0], ["hub": 1]])
            }
            #expect(reserved?.field == "log.hub")
            let tag = await #expect(throws: HubError.self) {
                _ = try await run.backend.saveModel(
                    nil,
                    name: "m",
                    architecture: [:],
                    tags: ["time": 1],
                    id: ObjectID()
                )
            }
            #expect(tag?.field == "tags.time")
            let name = await #expect(throws: HubError.self) {
                _ = try await run.backend.saveDataSet(
                    Content(kind: .file, files: [SourceFile(path: "x", source: .bytes([1]))]),
                    name: "a/b",
                    tags: [:],
                    id: ObjectID()
                )
            }
            #expect(name?.field == "name")
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
            #expect(try await hub.logs(.training).isEmpty)
        }
    }

    @Test func `What the Python client could not send is sent at the end`() async throws {
        let lines = """
            {"path": "/v1/logs/training", "body": [{"step": 1, "loss": NaN}, {"step": 2}]}
            {"path": "/v1/results", "body": {"accuracy": 0.5}}
            {"path": "/v1/progress", "body": {"fraction": 1}}
            {"path": "/v1/logs/testing", "body": {"step": 3}}
            no request
            {"path": "/v1/logs/training", "body": [{"step": 4}]
            """
        try await withScript(after: "printf '%s' '\(lines)' > $TENSORHUB_SPOOL_FILE", keys: ["accuracy"]) { hub, run in
            try run.open()
            try await hub.waitForTasks(.ids([run.id]))
            let task = try await hub.task(run.id)
            #expect(task.status == .finished && task.result == ["accuracy": 0.5], "\(task.document)")
            #expect(try await hub.logs(.training).compactMap { $0.document["step"]?.intValue } == [1, 2])
            #expect(try await hub.logs(.testing).count == 1)
            #expect(task.history.first?.refused == 1, "the line that is no request; the last one has no end")
        }
    }
}

/// While MongoDB is away.
extension ScriptBackendTests {
    @Test func `A script that logs through an outage waits for nothing and loses nothing`() async throws {
        try await withTestDatabase { client, name in
            let application = "outage-\(UInt32.random(in: 0...UInt32.max))"
            var options = MongoClient.Options()
            options.applicationName = application
            let hub = try await Hub.connect(
                uri: try await TestMongo.uri(database: name),
                options: options,
                patience: nil
            )
            try await withTemporaryDirectory { folder in
                let server = DirectServer()
                let id = try await hub.createTask(
                    TaskSpec(script: "#!/bin/sh\nuntil test -e \(folder)/go; do sleep 0.01; done\n")
                )
                try await withRunner(hub, slots: 1, { $0.scriptServer = server }) { runner in
                    let backend = try #require(await server.backend())
                    func write(_ steps: Range<Int>) async throws {
                        for step in steps {
                            try await backend.saveLogs(.training, [["step": .init(smallest: step)]])
                        }
                    }
                    try await write(0..<100)
                    await backend.settle()
                    let log = client.database(name).collection("TrainLog")
                    // Nothing in the body can wait for the end of the outage: that comes after the body.
                    try await withFailCommand(
                        ["failCommands": ["insert", "update", "findAndModify", "find"], "closeConnection": true],
                        applicationName: application,
                        times: nil,
                        client: client
                    ) {
                        try await write(100..<600)
                        #expect(await eventually { runner.availability.awayFor != nil })
                        try await write(600..<1000)
                        try await backend.attempt?.mergeResults(["accuracy": 1])
                        await backend.settle()
                        #expect(try await log.findAll([:]).count == 100)
                    }
                    try writeFile("\(folder)/go", "")
                    try await hub.waitForTasks(.ids([id]))
                    let steps = try await hub.logs(.training).compactMap { $0.document["step"]?.intValue }
                    #expect(steps == Array(0..<1000))
                    #expect(try await hub.task(id).result == ["accuracy": 1])
                }
            }
            await hub.close()
        }
    }
}
