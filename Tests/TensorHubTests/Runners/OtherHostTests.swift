import BSON
import TensorHub
import TestSupport
import Testing

/// Tasks that a machine could not run for want of something.
@Suite struct OtherHostTests {
    private let failure = TaskFailure(kind: "machine-lacks", message: "m")

    /// A runner that tells of itself, with a free slot and no conditions, but for what a test changes.
    private func beat(
        _ hub: Hub,
        _ name: String,
        host: String,
        _ change: (inout RunnerBeat) -> Void = { _ in }
    ) async throws {
        var runner = MadeUpRunner(hub, name)
        (runner.beat.host, runner.beat.query) = (host, "{}")
        change(&runner.beat)
        try await runner.tell()
    }

    @Test func `A task is left to the machines that have what it needs, and remembers few`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            for number in 1...12 {
                let session = hub.session(host: "host-\(number)")
                let task = try #require(try await session.claim(1).tasks.first)
                let lack = HostLack(host: "host-\(number)", what: "no module x", attempt: number)
                let end = AttemptEnd(
                    try #require(task.attemptID),
                    transition: .elsewhere(failure, lack),
                    cause: "machine-lacks"
                )
                // Sent again after a lost reply, it is accepted once.
                #expect(try await session.deliver([end]) == [.accepted])
                #expect(try await session.deliver([end]) == [.accepted])
                #expect(try await session.claim(1).tasks.isEmpty)
                #expect(try await session.claim(id: id) == nil)
                #expect(try await hub.session(name: "other", host: "host-\(number)").claim(4).tasks.isEmpty)
            }
            let task = try await hub.task(id)
            #expect(task.lacks.map(\.host) == (3...12).map { "host-\($0)" } && task.lacks.last?.attempt == 12)
            #expect(task.failures == 0 && task.interruptions == 12 && task.error?.kind == "machine-lacks")
            // A session that names no machine is that of an earlier version.
            #expect(try await hub.session().claim(1).tasks.count == 1)
        }
    }

    @Test func `Only a living runner of another machine that would take the task serves it`() async throws {
        try await withTestHub { hub in
            var spec = TaskSpec(name: "mnist", script: "pass")
            spec.tags = ["n": 1]
            let id = try await hub.createTask(spec)
            let session = hub.session(name: "a-1", host: "a")
            func isServed() async throws -> Bool {
                try await session.isServed(try await hub.task(id), besides: ["a"])
            }
            try await beat(hub, "a-2", host: "a")
            for state in [RunnerRecord.State.paused, .draining, .drained, .stopping, .stopped] {
                try await beat(hub, "b-\(state)", host: "b") { $0.state = state }
            }
            try await beat(hub, "b-names", host: "b") {
                $0.query = RunnerRecord.queryText(names: ["other"], filter: .all, sort: nil)
            }
            try await beat(hub, "b-filter", host: "b") {
                $0.query = RunnerRecord.queryText(names: [], filter: FieldPath("n") == 2, sort: nil)
            }
            #expect(try await !isServed())
            try await beat(hub, "b-1", host: "b") {
                $0.query = RunnerRecord.queryText(names: ["mnist"], filter: FieldPath("n") == 1, sort: nil)
            }
            #expect(try await isServed())
            let task = try #require(try await hub.session(name: "b-1", host: "b").claim(1).tasks.first)
            #expect(try await !session.isServed(task, besides: ["a", "b"]))
        }
    }

    @Test func `A runner that has paused itself says why, to whoever asks for it and for its tasks`() async throws {
        try await withTestHub { hub in
            let runner = MadeUpRunner(hub, "gpu-2")
            try await runner.tell()
            try await hub.session(runner.id, name: "gpu-2").pauseItself("3 scripts")
            let control = try await hub.runner("gpu-2").control
            #expect(control?.request == .pause && control?.reason == "3 scripts" && control?.by == nil)
            _ = try await hub.resumeRunners(.all, by: "ann")
            #expect(try await hub.runner("gpu-2").control?.reason == nil)
        }
    }
}
