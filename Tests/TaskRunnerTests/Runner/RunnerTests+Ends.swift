import BSON
import Logging
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// What a runner takes, and how its attempts and itself come to an end.
extension RunnerTests {
    @Test func `A runner takes only what its names and its filter allow`() async throws {
        try await withTestHub { hub in
            try await withRunner(
                hub,
                {
                    $0.taskNames = ["mine"]
                    $0.filter = "gpus" <= 1
                }
            ) { _ in
                let specs = [("mine", 1), ("mine", 8), ("theirs", 1)].map { name, gpus in
                    shell("exit 0") {
                        $0.name = name
                        $0.tags = ["gpus": .init(smallest: gpus)]
                    }
                }
                let ids = try await hub.createTasks(specs)
                try await hub.waitForTasks(.ids([ids[0]]))
                #expect(try await hub.countTasks() == [.finished: 1, .pending: 2])
            }
        }
    }

    @Test func `Draining lets what runs end and takes nothing new`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let ids = try await hub.createTasks([
                    shell("until test -e \(folder)/go; do sleep 0.01; done"),
                    shell("exit 0"),
                ])
                try await withRunner(hub, slots: 1) { runner in
                    // The claim is in the database a moment before its reply is here.
                    #expect(await eventually { runner.state.withLock { $0.attempts.count } == 1 })
                    #expect(runner.escalate() == .draining(running: 1))
                    try writeFile("\(folder)/go", "")
                    try await hub.waitForTasks(.ids([ids[0]]))
                    #expect(try await hub.task(ids[1]).status == .pending)
                }
            }
        }
    }

    @Test func `Releasing stops the scripts with grace and gives their tasks back`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(
                shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
            )
            try await withRunner(hub) { (runner) async throws in
                #expect(try await eventually { try await text(hub, id) == "up\n" })
                runner.escalate()
                #expect(runner.escalate() == .releasing(running: 1))
                #expect(try await eventually { try await hub.task(id).status == .pending })
            }
            let task = try await hub.task(id)
            #expect(task.failures == 0 && task.lease == nil)
            #expect(task.history.first?.cause == "drain")
            #expect(try await text(hub, id).hasSuffix("bye\n"))
        }
    }

    @Test func `Exit status 85 gives the task back without counting a failure`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(shell("exit 85"))
                #expect(try await eventually { try await hub.task(id).history.first?.end != nil })
                let task = try await hub.task(id)
                #expect(task.status == .pending && task.failures == 0)
                #expect(task.notBefore != nil, "so soon after its start it must wait")
            }
        }
    }

    @Test func `A checkpoint is there for the next attempt`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let script =
                    "cat $TENSORHUB_CHECKPOINT_DIR/epoch 2>/dev/null && exit 0; echo 7 > $TENSORHUB_CHECKPOINT_DIR/epoch; exit 1"
                let id = try await hub.createTask(shell(script) { $0.maxFailures = 2 })
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .finished && task.attempt == 2)
                #expect(try await text(hub, id) == "7\n")
            }
        }
    }

    @Test func `An output limit below the part that is always kept does no harm`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub, { $0.outputLimit = 65_536 }) { _ in
                let id = try await hub.createTask(shell("head -c 5000000 /dev/zero; exec true"))
                try await hub.waitForTasks(.ids([id]))
                #expect(try await hub.task(id).status == .finished)
            }
        }
    }

    @Test func `A time limit ends the attempt and is the reason given`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(shell("exec tail -f /dev/null") { $0.timeout = .milliseconds(200) })
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .failed && task.error?.kind == "timeout", "\(task.document)")
            }
        }
    }

    @Test func `One run takes one task and tells how it ended`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
                let options = RunnerOptions(name: "once", stateDirectory: folder)
                #expect(try await Runner(hub: hub, options: options, logger: logger).runOnce() == .noTask)
                _ = try await hub.createTasks([shell("exit 5"), shell("exit 0")])
                let outcome = try await Runner(hub: hub, options: options, logger: logger).runOnce()
                #expect(outcome == .ended(.failed, exit: 5, signal: nil))
                #expect(try await hub.countTasks() == [.failed: 1, .pending: 1])
            }
        }
    }

    @Test func `The attempt directory goes away once MongoDB has the result`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { runner in
                let id = try await hub.createTask(shell("exit 0"))
                try await hub.waitForTasks(.ids([id]))
                let attempts = "\(runner.options.stateDirectory)/attempts"
                #expect(await eventually { entries(attempts).isEmpty })
            }
        }
    }

    @Test func `A stored result that MongoDB cannot take fails the task with the reason`() async throws {
        try await withTestHub { hub in
            try await withRunner(hub) { _ in
                let id = try await hub.createTask(
                    shell(
                        #"(printf '{"x": "'; head -c 16700000 /dev/zero | tr '\0' x; printf '"}') > $TENSORHUB_RESULT_FILE"#
                    ) {
                        $0.hyperParameters = [
                            "ballast": .binary(BSONBinary(bytes: Array(repeating: 1, count: 200_000)))
                        ]
                    }
                )
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .failed && task.error?.kind == "bad-result", "\(task.error as Any)")
            }
        }
    }
}
