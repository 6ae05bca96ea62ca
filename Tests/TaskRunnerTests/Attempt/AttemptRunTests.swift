import BSON
import Glibc
import Logging
import MongoDriver
import NIOPosix
import TestSupport
import Testing
import Threads

@testable import TaskRunner
@testable import TensorHub

/// One attempt from its start to its delivered end, without a database and without a runner.
@Suite(.timeLimit(.minutes(30))) struct AttemptRunTests {
    private struct Attempt {
        var execution: AttemptExecution
        var store: MemoryStore
        var control: AttemptControl
        var state: SharedRunnerState
        var folder: String

        var directory: AttemptDirectory { AttemptDirectory(execution.id, in: "\(folder)/attempts") }
    }

    /// Lends an attempt whose end is delivered to a store in memory.
    private func withAttempt(
        _ script: String,
        keys: [String] = [],
        _ contents: MemoryStore.Contents = .init(),
        _ body: (Attempt) async throws -> Void
    ) async throws {
        try await withAttempts { attempts in
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            let store = MemoryStore(contents)
            let state = SharedRunnerState(slots: 1)
            let id = AttemptID(task: ObjectID(), number: 1)
            let control = AttemptControl(.singleton)
            state.withLock { _ = $0.add(id, control) }
            let availability = Availability(logger)
            let persistence = Persistence(clock: HurriedClock())
            // Nobody listens there, and nothing is sent: only what a script asks would go to it.
            let client = try MongoClient(uri: "mongodb://127.0.0.1:1/none?serverSelectionTimeoutMS=1")
            let hub = Hub(client: client, project: "p", logger: logger, patience: nil)
            let ends = EndDelivery(store, logger: logger, availability: availability, persistence: persistence)
            let context = AttemptContext(
                runner: ObjectID(),
                options: RunnerOptions(name: "host", stateDirectory: attempts.folder),
                database: "none",
                store: store,
                queries: hub,
                transfers: hub,
                launcher: attempts.launcher,
                cache: ContentCache(folder: "\(attempts.folder)/cache", limit: 1 << 20),
                pool: .singleton,
                scriptThreads: TurnThreads(name: "test", limit: 2, share: 1),
                bulk: BulkThreads(),
                state: state,
                needs: UnmetNeeds(),
                wake: AsyncStream.makeStream(of: Void.self).continuation,
                progressBoard: ProgressBoard(),
                endDelivery: ends,
                availability: availability,
                persistence: persistence,
                damage: DamagedThings(stateDirectory: attempts.folder),
                logger: logger
            )
            let task = TaskRecord([
                "_id": .objectID(id.task), "project_name": "p", "status": "running",
                "script": .binary(BSONBinary(bytes: Array("#!/bin/sh\n\(script)\n".utf8))),
                "saved_result_keys": .array(keys.map(BSONValue.string)), "hub": ["attempt": 1, "max_failures": 1],
            ])
            let execution = AttemptExecution(context, task: task, id: id, control: control)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await ends.run() }
                try await body(
                    Attempt(execution: execution, store: store, control: control, state: state, folder: attempts.folder)
                )
                group.cancelAll()
            }
            await client.close()
        }
    }

    @Test func `What a script prints and its result are delivered, and nothing of the attempt is left`() async throws {
        let script = #"echo hello; echo '{"accuracy": 0.5}' > "$TENSORHUB_RESULT_FILE""#
        try await withAttempt(script, keys: ["accuracy"]) { attempt in
            let end = try #require(await attempt.execution.run())
            guard case .finish(let result) = end.transition else {
                Issue.record("\(end)")
                return
            }
            #expect(result == ["accuracy": 0.5] && end.cause == "finished" && end.exit == 0)
            #expect(attempt.store.text == "hello\n")
            #expect(attempt.store.now.ends.count == 1)
            #expect(attempt.state.withLock { $0.free } == 1)
            #expect(access(attempt.directory.path, F_OK) != 0)
        }
    }

    @Test func `A script that fails ends its task once it has no failure left`() async throws {
        try await withAttempt("echo broken; exit 7") { attempt in
            let end = try #require(await attempt.execution.run())
            guard case .fail(let failure) = end.transition else {
                Issue.record("\(end)")
                return
            }
            #expect(failure.kind == "exit-status" && end.exit == 7 && failure.tail == "broken\n")
        }
    }

    @Test func `While nobody answers, output and end wait, and are there once each`() async throws {
        try await withAttempt("echo hello", .init(missing: 5)) { attempt in
            let end = try #require(await attempt.execution.run())
            #expect(end.status == .finished)
            #expect(attempt.store.text == "hello\n")
            #expect(attempt.store.now.missing == 0 && attempt.store.now.ends.count == 1)
        }
    }

    @Test func `A result that is not taken makes way for a failure, and that for the least that says it`() async throws
    {
        let contents = MemoryStore.Contents(outcomes: [.refused("too large"), .refused("too large")])
        try await withAttempt("true", contents) { attempt in
            let end = try #require(await attempt.execution.run())
            guard case .minimalFailure = end.transition else {
                Issue.record("\(end)")
                return
            }
            #expect(attempt.store.now.ends.map(\.cause) == ["finished", "bad-result", "bad-result"])
        }
    }

    @Test func `An end that does not count any more leaves the directory for inspection`() async throws {
        try await withAttempt("true", .init(outcomes: [.leaseLost])) { attempt in
            #expect(await attempt.execution.run() == nil)
            #expect(entries("\(attempt.folder)/lost") == [attempt.directory.name])
        }
    }

    @Test func `A checkpoint is stored before the end that asks for the next attempt`() async throws {
        try await withAttempt(#"echo 1 > "$TENSORHUB_CHECKPOINT_DIR/step"; exit 85"#) { attempt in
            let end = try #require(await attempt.execution.run())
            guard case .release(let delay) = end.transition else {
                Issue.record("\(end)")
                return
            }
            #expect(delay == AttemptExecution.checkpointPause && end.cause == "checkpoint")
            #expect(attempt.store.now.checkpoints.map { $0.files.map(\.path) } == [["step"]])
        }
    }

    @Test func `A script that is told to stop gives its task back`() async throws {
        try await withAttempt("exec tail -f /dev/null") { attempt in
            async let run = attempt.execution.run()
            #expect(await eventually { attempt.control.process != nil })
            attempt.control.stop(.drain)
            guard case .release(nil) = await run?.transition else {
                Issue.record("not given back")
                return
            }
            #expect(attempt.store.now.ends.map(\.cause) == ["drain"])
        }
    }
}
