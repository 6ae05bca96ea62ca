import BSON
import Glibc
import Logging
import MongoDriver
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// Lends a runner that runs until the body returns; then it is killed.
func withRunner<Value: Sendable>(
    _ hub: Hub,
    slots: Int = 2,
    _ change: (inout RunnerOptions) -> Void = { _ in },
    _ body: (Runner) async throws -> Value
) async throws -> Value {
    try await withTemporaryDirectory { folder in
        var options = RunnerOptions(name: "test-host", stateDirectory: folder, slots: slots)
        options.grace = .seconds(5)
        change(&options)
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let runner = try Runner(hub: hub, options: options, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runner.run() }
            do {
                let value = try await body(runner)
                group.cancelAll()
                try await group.waitForAll()
                return value
            } catch {
                group.cancelAll()
                throw error
            }
        }
    }
}

@Suite(.timeLimit(.minutes(30))) struct RunnerTests {
    func text(_ hub: Hub, _ id: ObjectID) async throws -> String {
        String(decoding: try await hub.readOutput(of: id).flatMap(\.data), as: UTF8.self)
    }

    func shell(_ script: String, _ change: (inout TaskSpec) -> Void = { _ in }) -> TaskSpec {
        var spec = TaskSpec(script: "#!/bin/sh\n\(script)\n")
        spec.maxFailures = 1
        spec.backoff = .zero
        change(&spec)
        return spec
    }

    @Test func `An attempt that is being stopped still learns that it is somebody else's`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(shell("trap '' TERM; sleep 1; exec tail -f /dev/null"))
            try await withRunner(hub, { $0.grace = .seconds(30) }) { runner in
                let key = AttemptID(task: id, number: 1)
                var found: AttemptControl?
                _ = await eventually {
                    found = runner.state.withLock { $0.attempts[key] }
                    return found?.isStarted == true
                }
                let control = try #require(found)
                runner.stop(key, .drain)
                #expect(control.reason == .drain && !control.isLeaseLost)
                runner.stop(key, .leaseLost)
                #expect(control.reason == .drain && control.isLeaseLost)
                control.kill(.leaseLost)
            }
        }
    }

    @Test func `A task goes from the distributor to a script and its result comes back`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let spec = shell(
                    #"echo "lr is $TENSORHUB_HP_lr"; echo "{\"accuracy\": 0.75, \"extra\": \"kept\"}" > "$TENSORHUB_RESULT_FILE""#
                ) {
                    $0.hyperParameters = ["lr": 0.5]
                    $0.savedResultKeys = ["accuracy"]
                }
                let id = try await hub.createTask(spec)
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .finished, "\(task.document)")
                #expect(task.result == ["accuracy": 0.75, "extra": "kept"])
                #expect(task.history.count == 1)
                #expect(task.history.first?.exit == 0)
                #expect(task.history.first?.host == "test-host")
                #expect((task.history.first?.peakMemory ?? 0) > 0)
                #expect(try await text(hub, id) == "lr is 0.5\n")
            }
        }
    }

    @Test func `A TensorLayer task with globals in and out runs unchanged`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                try await hub.insertForeignTask([
                    "project_name": .string(hub.project), "time": .dateTime(BSONDateTime(millisecondsSince1970: 1)),
                    "hyper_parameters": ["n": 3, "time": "a name that broke the original"],
                    "saved_result_keys": ["test_accuracy"], "status": "pending",
                    "script": .binary(BSONBinary(bytes: Array("import os\ntest_accuracy = n / 4\nprint(time)\n".utf8))),
                    "result": [:],
                ])
                try await hub.waitForTasks(.all)
                let task = try #require(try await hub.findTasks().first)
                #expect(task.status == .finished, "\(task.document)")
                #expect(task.result == ["test_accuracy": 0.75])
            }
        }
    }

    @Test(
        arguments: [
            ("exit 7", "exit-status", 7, nil),
            ("kill -9 $$", "signal", nil, 9),
            ("echo '{\"other\": 1}' > $TENSORHUB_RESULT_FILE", "missing-result", 0, nil),
            ("echo '[1]' > $TENSORHUB_RESULT_FILE", "bad-result", 0, nil),
            ("echo '{\"accuracy\": ' > $TENSORHUB_RESULT_FILE", "bad-result", 0, nil),
            ("rm -rf \"${PWD%/work}\"; exit 0", "journal-lost", nil, nil),
        ] as [(String, String, Int?, Int?)]
    )
    func `A script that fails ends failed with kind, status and its last lines`(
        script: String,
        kind: String,
        exit: Int?,
        signal: Int?
    ) async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(
                    shell("echo last words\n\(script)") { $0.savedResultKeys = ["accuracy"] }
                )
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .failed)
                #expect(task.error?.kind == kind, "\(task.document)")
                #expect(task.error?.message.isEmpty == false)
                if kind != "journal-lost" { #expect(task.error?.tail?.contains("last words") == true) }
                #expect(task.history.first?.cause == kind)
                #expect(task.history.first?.exit == exit)
                #expect(task.history.first?.signal == signal)
                #expect(task.result == [:])
            }
        }
    }

    @Test func `NaN is a result`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(
                    shell("echo '{\"loss\": NaN, \"best\": -Infinity}' > $TENSORHUB_RESULT_FILE") {
                        $0.savedResultKeys = ["loss"]
                    }
                )
                try await hub.waitForTasks(.ids([id]))
                let result = try await hub.task(id).result
                #expect(result["loss"]?.doubleValue?.isNaN == true)
                #expect(result["best"] == .double(-.infinity))
            }
        }
    }

    @Test func `A failing task runs as often as max_failures says and no more`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(shell("exit 1") { $0.maxFailures = 3 })
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .failed)
                #expect(task.failures == 3 && task.attempt == 3)
                #expect(task.history.count == 3)
            }
        }
    }

    @Test func `After a failure a task waits, and nothing else does`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(
                    shell("exit 1") {
                        $0.maxFailures = 2
                        $0.backoff = .seconds(3600)
                    }
                )
                #expect(try await eventually { try await hub.task(id).failures == 1 })
                let task = try await hub.task(id)
                #expect(task.status == .pending && task.notBefore != nil && task.error?.kind == "exit-status")
                let other = try await hub.createTask(shell("exit 0"))
                try await hub.waitForTasks(.ids([other]))
                #expect(try await hub.task(id).attempt == 1)
            }
        }
    }

    @Test func `A rule ends a hopeless task at once, and sends another one elsewhere`() async throws {
        try await withTestHub { hub in
            let specs = try [("echo no such file; exit 1", "output=no such file:fail"), ("exit 9", "exit=9:elsewhere")]
                .map { script, rule in
                    let rule = try FailureRule(parsing: rule)
                    return shell(script) {
                        $0.maxFailures = 2
                        $0.rules = [rule]
                    }
                }
            let ids = try await hub.createTasks(specs)
            try await withRunner(hub) { _ in
                try await hub.waitForTasks(.ids([ids[0]]))
                #expect(try await hub.task(ids[0]).failures == 1)
                #expect(try await eventually { try await hub.task(ids[1]).failures == 1 })
                #expect(try await hub.task(ids[1]).status == .pending)
                try await withRunner(hub, { $0.name = "other-host" }) { _ in
                    try await hub.waitForTasks(.ids([ids[1]]))
                    #expect(try await hub.task(ids[1]).history.map(\.host) == ["test-host", "other-host"])
                }
            }
        }
    }

    @Test func `A task of a runner that is gone is run by another one`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(shell("exit 0"))
            let gone = hub.session(name: "gone", lease: .milliseconds(300))
            #expect(try await gone.claim(1).tasks.count == 1)
            try await withRunner(hub, { $0.lease = .seconds(1) }) { _ in
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .finished && task.history.map(\.cause) == ["runner-lost", "finished"])
            }
        }
    }

    /// Another runner has rescued the task while this one was cut off, and nobody else took it.
    private func rescue(_ hub: Hub, _ id: ObjectID) async throws {
        let tasks = hub.database.collection("Task")
        _ = try await tasks.updateOne(
            ["_id": .objectID(id)],
            .document(["$set": ["status": "pending", "hub.ready": true], "$unset": ["hub.lease": ""]])
        )
    }

    @Test func `A runner that claims its own lost task again ends the old attempt before it begins the new one`()
        async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let script = """
                    echo "begin $TENSORHUB_ATTEMPT" >> \(folder)/record
                    [ $TENSORHUB_ATTEMPT = 2 ] && exit 0
                    trap 'touch \(folder)/told; while [ ! -e \(folder)/gate ]; do sleep 0.02; done
                        echo "end 1" >> \(folder)/record; exit 0' TERM
                    while :; do sleep 0.02; done
                    """
                // No renewal comes before the claim.
                try await withRunner(hub, { $0.lease = .seconds(600) }) { runner in
                    let id = try await hub.createTask(shell(script) { $0.grace = .seconds(60) })
                    #expect(await eventually { (try? readLines("\(folder)/record")) == ["begin 1"] })
                    try await rescue(hub, id)
                    #expect(await eventually { access("\(folder)/told", F_OK) == 0 })
                    #expect(try await eventually { try await hub.task(id).attempt == 2 })
                    try writeFile("\(folder)/gate", "")
                    try await hub.waitForTasks(.ids([id]))
                    #expect(try readLines("\(folder)/record") == ["begin 1", "end 1", "begin 2"])
                    let task = try await hub.task(id)
                    #expect(task.status == .finished && task.attempt == 2, "\(task.document)")
                }
            }
        }
    }

    @Test func `An end that waits for a right that is missing says so, and nothing is dropped`() async throws {
        try await withTestDatabase { client, name in
            var options = MongoClient.Options()
            options.applicationName = "waits-\(UInt32.random(in: 0...UInt32.max))"
            let hub = try await Hub.connect(
                uri: try await TestMongo.uri(database: name),
                options: options,
                patience: nil
            )
            try await withRunner(hub) { _ in
                let line = #"{"path": "/v1/logs/training", "body": {"step": 1}}"#
                try await withFailCommand(
                    ["failCommands": ["insert"], "errorCode": 13],
                    applicationName: options.applicationName,
                    times: nil,
                    client: client
                ) {
                    try await Hub.withHub(uri: try await TestMongo.uri(database: name)) { other in
                        let id = try await other.createTask(shell("echo '\(line)' > $TENSORHUB_SPOOL_FILE"))
                        var message: String?
                        _ = try await eventually {
                            message = try await other.task(id).progress?.message
                            return message != nil
                        }
                        #expect(message?.hasPrefix("the script has ended; the training log cannot be stored: ") == true)
                        #expect(try await other.task(id).status == .running)
                    }
                }
                try await hub.waitForTasks(.all)
                #expect(try await hub.countTasks() == [.finished: 1])
                #expect(try await hub.logs(.training).count == 1)
            }
            await hub.close()
        }
    }

    @Test func `A stop is heard while an attempt waits for its beginning`() async throws {
        try await withTestHub { hub in
            let script = "trap '' TERM; echo deaf; while :; do sleep 0.02; done"
            let id = try await hub.createTask(shell(script) { $0.grace = .seconds(3600) })
            try await withRunner(hub, { $0.lease = .seconds(600) }) { runner in
                func control(_ attempt: Int) -> AttemptControl? {
                    runner.state.withLock { $0.attempts[AttemptID(task: id, number: attempt)] }
                }
                #expect(try await eventually { try await !hub.readOutput(of: id).isEmpty })
                try await rescue(hub, id)
                #expect(await eventually { control(2) != nil })
                try await hub.cancelTasks(.ids([id]), by: "test")
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .cancelled && task.attempt == 2, "\(task.document)")
                #expect(control(1)?.isOver == false)
                control(1)?.kill(.leaseLost)
            }
        }
    }

    @Test func `A hand-over waits half a lease for a claim that nobody answers, and no longer than until a signal`()
        async throws
    {
        try await withTestHub { hub in
            try await withRunner(hub, { $0.lease = .milliseconds(400) }) { runner in
                runner.state.withLock { $0.isClaiming = true }
                #expect(await runner.prepareHandOver())
                #expect(runner.snapshot.isStopping)
            }
            try await withRunner(hub, { $0.lease = .seconds(3600) }) { runner in
                runner.state.withLock { $0.isClaiming = true }
                async let isReady = runner.prepareHandOver()
                #expect(await eventually { runner.snapshot.isStopping })
                #expect(runner.escalate() == .draining(running: 0))
                #expect(await !isReady)
                runner.state.withLock { $0.isClaiming = false }
            }
        }
    }

    @Test func `Output is readable while the script runs, and a cancel stops it`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(shell("echo hello; exec tail -f /dev/null"))
                #expect(try await eventually { try await text(hub, id) == "hello\n" })
                #expect(try await hub.task(id).status == .running)
                #expect(try await hub.cancelTasks(.ids([id]), by: "test") == 1)
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .cancelled)
                #expect(task.history.first?.cause == "cancelled")
            }
        }
    }

    @Test func `Every byte that a script prints arrives, NUL and invalid UTF-8 included`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(shell(#"printf 'a\000b\377c\rd\n'; head -c 700000 /dev/zero"#))
                try await hub.waitForTasks(.ids([id]))
                let chunks = try await hub.readOutput(of: id)
                #expect(
                    chunks.flatMap(\.data) == [97, 0, 98, 255, 99, 13, 100, 10] + Array(repeating: 0, count: 700_000)
                )
                #expect(chunks.allSatisfy { $0.data.count <= 256 * 1024 })
                #expect(chunks.map(\.seq) == Array(0..<Int64(chunks.count)))
            }
        }
    }

    @Test func `Of a flood of output the beginning and the end are kept`() async throws {
        try await withTestHub { hub in
            let mebibyte = 1 << 20
            try await withRunner(hub, { $0.outputLimit = 4 * mebibyte }) { _ in
                let id = try await hub.createTask(
                    shell("echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo last")
                )
                try await hub.waitForTasks(.ids([id]))
                #expect(try await hub.task(id).status == .finished)
                var chunks: [OutputChunk] = []
                while case let more = try await hub.readOutput(of: id, after: chunks.last), !more.isEmpty {
                    chunks += more
                }
                let bytes = chunks.reduce(0) { $0 + $1.data.count }
                // Whole chunks and whole MiB are given up, so a little more may stay.
                #expect(bytes >= 3 * mebibyte && bytes <= 6 * mebibyte, "\(bytes)")
                let first = try #require(chunks.first)
                let last = try #require(chunks.last)
                #expect(first.offset == 0 && first.data.starts(with: Array("first\n".utf8)))
                #expect(last.offset + Int64(last.data.count) == 100_000_011)
                #expect(last.data.suffix(5) == Array("last\n".utf8)[...])
            }
        }
    }

    @Test func `A task that cannot run does not stop the others, and two runners share the work without overlap`()
        async throws
    {
        try await withTestHub { hub in
            let count = 1000
            try await withTemporaryDirectory { folder in
                let spec = shell("echo $TENSORHUB_TASK_ID >> \(folder)/record")
                var ids = try await hub.createTasks(Array(repeating: spec, count: count / 2))
                try await hub.insertForeignTask([
                    "project_name": .string(hub.project), "status": "pending", "script": "a string",
                ])
                ids += try await hub.createTasks(Array(repeating: spec, count: count - count / 2))
                try await withRunner(hub, slots: 3) { first in
                    try await withRunner(hub, slots: 3) { second in
                        try await hub.waitForTasks(.all)
                        let counts = try await hub.countTasks()
                        #expect(counts == [.finished: count, .failed: 1])
                        let record = try readLines("\(folder)/record")
                        #expect(record.count == count, "a script ran twice or not at all")
                        #expect(Set(record) == Set(ids.map(\.description)))
                        let tasks = try await hub.findTasks(TaskSelection(statuses: [.finished]))
                        #expect(tasks.allSatisfy { $0.attempt == 1 && $0.history.count == 1 })
                        let runners = Set(tasks.compactMap { $0.history.first?.runner?.description })
                        #expect(runners == [first.id, second.id], "one of the two did nothing")
                    }
                }
            }
        }
    }
}
