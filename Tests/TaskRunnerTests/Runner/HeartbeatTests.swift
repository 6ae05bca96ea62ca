import BSON
import Glibc
import Logging
import MongoDriver
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

@Suite(.timeLimit(.minutes(30))) struct HeartbeatTests {
    /// Less than the shortest time between two signs of life of a runner with a long lease: a request that is obeyed
    /// within it came by an event.
    private static let beforeNextBeat: Duration = .seconds(11)

    private func shell(_ script: String) -> TaskSpec { TaskSpec(script: "#!/bin/sh\n\(script)\n") }

    private func record(_ hub: Hub, _ runner: Runner) async throws -> RunnerRecord? {
        try await hub.findRunners().first { $0.id == runner.session.runner }
    }

    /// Waits until the runner says so itself: on a busy machine one with a short lease may pass for lost at any moment.
    private func isSeen(
        _ hub: Hub,
        _ runner: Runner,
        _ state: RunnerRecord.State,
        within limit: Duration = .seconds(60)
    ) async throws -> Bool {
        try await eventually(within: limit) {
            try await record(hub, runner)?.document["state"]?.stringValue == state.rawValue
        }
    }

    @Test func `A runner registers, tells what it runs, and says when it ends`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(shell("exec tail -f /dev/null"))
            let none: Filter = "hyper_parameters.n" == .null
            let runner = try await withRunner(
                hub,
                slots: 3,
                {
                    $0.lease = .seconds(2)
                    $0.labels = ["gpu": "a100"]
                    $0.version = "9.9"
                    $0.filter = none
                }
            ) { runner in
                let running = [AttemptID(task: id, number: 1)]
                #expect(try await eventually { try await record(hub, runner)?.running == running })
                let seen = try #require(try await record(hub, runner))
                #expect(seen.document["state"] == "running" && seen.name == "test-host" && seen.slots == 3)
                #expect(seen.version == "9.9" && seen.labels == ["gpu": "a100"] && seen.lease == .seconds(2))
                #expect(seen.filter == none)
                #expect(seen.pid == Int(getpid()) && seen.host?.isEmpty == false)
                #expect(try await eventually { try await record(hub, runner)?.heartbeat != seen.heartbeat })
                return runner
            }
            let last = try #require(try await record(hub, runner))
            #expect(last.state == .stopped && last.running.isEmpty && last.done == 1)
        }
    }

    @Test func `A paused runner claims nothing, and goes on at once when it is resumed`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { runner in
                #expect(try await isSeen(hub, runner, .running))
                #expect(try await hub.pauseRunners(.all, by: "ann") == 1)
                #expect(try await isSeen(hub, runner, .paused, within: Self.beforeNextBeat))
                let id = try await hub.createTask(shell("exit 0"))
                // A sign of life later it has looked at the queue, had it wanted to.
                let before = try await record(hub, runner)?.heartbeat
                _ = try await hub.pauseRunners(.all)
                #expect(try await eventually { try await record(hub, runner)?.heartbeat != before })
                #expect(try await hub.task(id).status == .pending)
                _ = try await hub.resumeRunners(.all)
                #expect(try await isSeen(hub, runner, .running, within: Self.beforeNextBeat))
                try await hub.waitForTasks(.ids([id]))
                #expect(try await hub.task(id).status == .finished)
            }
        }
    }

    @Test func `A runner that was paused stays so when it is started anew`() async throws {
        try await withTestHub { hub in
            let first = try await withRunner(hub) { runner in
                #expect(try await isSeen(hub, runner, .running))
                _ = try await hub.pauseRunners(.all, by: "ann")
                #expect(try await isSeen(hub, runner, .paused))
                return runner
            }
            let id = try await hub.createTask(shell("exit 0"))
            try await withRunner(hub) { runner in
                #expect(try await isSeen(hub, runner, .paused))
                #expect(try await eventually { try await record(hub, first) == nil })
                #expect(try await record(hub, runner)?.control?.by == "ann")
                #expect(try await hub.task(id).attempt == 0)
                _ = try await hub.resumeRunners(.all)
                try await hub.waitForTasks(.ids([id]))
            }
        }
    }

    @Test func `A drained runner lets what runs end, waits, and serves again when it is resumed`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let ids = try await hub.createTasks([
                    shell("until test -e \(folder)/go; do sleep 0.01; done"), shell("exit 0"),
                ])
                try await withRunner(hub, slots: 1) { runner in
                    #expect(await eventually { runner.state.withLock { $0.attempts.count } == 1 })
                    #expect(try await isSeen(hub, runner, .running))
                    #expect(try await hub.drainRunners(.named("test-host"), by: "ann") == 1)
                    #expect(try await isSeen(hub, runner, .draining))
                    try writeFile("\(folder)/go", "")
                    #expect(try await isSeen(hub, runner, .drained))
                    #expect(try await hub.task(ids[0]).status == .finished)
                    #expect(try await hub.task(ids[1]).status == .pending)
                    _ = try await hub.resumeRunners(.all)
                    try await hub.waitForTasks(.ids(ids))
                    #expect(try await isSeen(hub, runner, .running))
                }
            }
        }
    }

    @Test func `At its deadline a drain stops the scripts with grace and gives their tasks back`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(
                shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
            )
            try await withRunner(hub) { runner in
                func output() async throws -> String {
                    String(decoding: try await hub.readOutput(of: id).flatMap(\.data), as: UTF8.self)
                }
                #expect(try await eventually { try await output() == "up\n" })
                #expect(try await isSeen(hub, runner, .running))
                _ = try await hub.drainRunners(.all, deadline: .milliseconds(300))
                #expect(try await isSeen(hub, runner, .drained))
                let task = try await hub.task(id)
                #expect(task.status == .pending && task.failures == 0 && task.history.last?.cause == "drain")
                #expect(try await output().hasSuffix("bye\n"))
                _ = try await hub.cancelTasks(.all)
            }
        }
    }

    @Test func `A stopped runner ends by itself`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
                let runner = try Runner(
                    hub: hub,
                    options: RunnerOptions(name: "test-host", stateDirectory: folder),
                    logger: logger
                )
                let id = try await hub.createTask(shell("exec tail -f /dev/null"))
                async let end: Void = runner.run()
                #expect(try await eventually { try await hub.task(id).status == .running })
                #expect(try await isSeen(hub, runner, .running))
                _ = try await hub.stopRunners(.all, deadline: .zero)
                try await end
                #expect(try await record(hub, runner)?.state == .stopped)
                #expect(try await hub.task(id).status == .pending)
            }
        }
    }

    @Test func `Without change streams a request comes with the answer to a sign of life`() async throws {
        try await withTemporaryDirectory { folder in
            try await withStandaloneMongod(folder) { uri in
                try await Hub.withHub(uri: uri) { hub in
                    try await withRunner(hub, { $0.lease = .seconds(1) }) { runner in
                        #expect(try await isSeen(hub, runner, .running))
                        _ = try await hub.pauseRunners(.all)
                        #expect(try await isSeen(hub, runner, .paused))
                    }
                }
            }
        }
    }

    @Test func `A document that somebody deletes comes back, with what was asked`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub, { $0.lease = .seconds(1) }) { runner in
                #expect(try await isSeen(hub, runner, .running))
                _ = try await hub.pauseRunners(.all, by: "ann")
                #expect(try await isSeen(hub, runner, .paused))
                _ = try await hub.database.collection("Runner").deleteMany([:])
                #expect(try await isSeen(hub, runner, .paused))
                #expect(try await record(hub, runner)?.control?.by == "ann")
            }
        }
    }
}
