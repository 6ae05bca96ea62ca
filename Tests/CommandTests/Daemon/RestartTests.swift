import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// The daemon may die at any moment; the task does not.
@Suite struct RestartTests {
    private func start(_ fixture: CommandFixture, _ arguments: String...) throws -> Program {
        try fixture.startDaemon(arguments)
    }

    private func end(_ daemon: Program, _ fixture: CommandFixture) async throws {
        for _ in 0..<3 { daemon.signal(SIGTERM) }
        let end = try await fixture.end(of: daemon)
        #expect(end.status == 0, "\(end.errors)")
    }

    /// Prints a line at its start and, once the gate is open, another one.
    private func gatedScript(_ fixture: CommandFixture) throws -> (script: String, gate: String) {
        let gate = "\(fixture.folder)/gate"
        let script = try fixture.file(
            "gated.sh",
            """
            echo "begun by $$"
            while [ ! -e \(gate) ]; do sleep 0.02; done
            echo "ended by $$"
            echo '{"accuracy": 0.5}' > $TENSORHUB_RESULT_FILE
            """
        )
        return (script, gate)
    }

    @Test func `A script does not notice that its daemon was killed and replaced`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            var daemon = try start(fixture)
            let id = try await fixture.run("submit", script, "--result", "accuracy").output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.hasPrefix("begun by") })
            for _ in 1...3 {
                daemon.signal(SIGKILL)
                _ = try await fixture.end(of: daemon)
                daemon = try start(fixture)
                #expect(await eventually { daemon.errors.contains("Taking up an attempt") }, "\(daemon.errors)")
            }
            _ = try fixture.file("gate", "")
            #expect(try await fixture.run("wait", id).status == 0)
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.attempt == 1 && task.history.count == 1 && task.lost == 0, "\(task.document)")
            #expect(task.result == ["accuracy": 0.5])
            let lines = try await fixture.run("logs", id).lines
            #expect(lines.count == 2, "\(lines)")
            #expect(lines.first?.split(separator: " ").last == lines.last?.split(separator: " ").last)
            try await end(daemon, fixture)
            #expect(entries("\(fixture.folder)/state/attempts").isEmpty)
            #expect(entries("\(fixture.folder)/state/runners").filter { !$0.hasPrefix(".") }.isEmpty)
        }
    }

    @Test func `What ended while there was no daemon is reported by the next`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            let daemon = try start(fixture)
            let id = try await fixture.run("submit", script, "--result", "accuracy").output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.hasPrefix("begun by") })
            daemon.signal(SIGKILL)
            _ = try await fixture.end(of: daemon)
            _ = try fixture.file("gate", "")
            let journal = "\(fixture.folder)/state/attempts/\(id).1/journal"
            #expect(await eventually { entries(journal).contains("exit.json") })
            #expect(try await fixture.status(id) == "running")
            let next = try start(fixture)
            #expect(try await fixture.run("wait", id).status == 0)
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.attempt == 1 && task.result == ["accuracy": 0.5])
            #expect(try await fixture.run("logs", id).lines.count == 2)
            try await end(next, fixture)
        }
    }

    @Test func `An attempt whose processes nothing names keeps nobody waiting but itself`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            let daemon = try start(fixture, "--slots", "2")
            let id = try await fixture.run("submit", script, "--result", "accuracy").output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.hasPrefix("begun by") })
            daemon.signal(SIGKILL)
            _ = try await fixture.end(of: daemon)
            try writeFile("\(fixture.folder)/state/attempts/\(id).1/journal/pids.json", "")
            let next = try start(fixture, "--slots", "2")
            let other = try await fixture.run("submit", try fixture.file("other.sh", "exit 0")).output.trimmingLineEnd
            #expect(try await fixture.run("wait", other).status == 0)
            #expect(await eventually { next.errors.contains("Cannot tell yet") }, "\(next.errors)")
            #expect(try await fixture.status(id) == "running")
            _ = try fixture.file("gate", "")
            #expect(try await fixture.run("wait", id).status == 0)
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.attempt == 1 && task.result == ["accuracy": 0.5], "\(task.document)")
            #expect(try await fixture.run("logs", id).lines.count == 2)
            try await end(next, fixture)
        }
    }

    @Test func `A cancel reaches a script that was taken up`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            var daemon = try start(fixture)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.hasPrefix("begun by") })
            daemon.signal(SIGKILL)
            _ = try await fixture.end(of: daemon)
            // Asked for while there is no daemon.
            #expect(try await fixture.run("cancel", id).status == 0)
            daemon = try start(fixture)
            #expect(try await fixture.run("wait", id).status == 103)
            try await end(daemon, fixture)
        }
    }

    @Test func `An attempt that somebody else has meanwhile is stopped and kept for inspection`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            var daemon = try start(fixture)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.hasPrefix("begun by") })
            let line = try await fixture.run("logs", id).output.trimmingLineEnd
            let pid = try #require(line.split(separator: " ").last.flatMap { Int32($0) })
            daemon.signal(SIGKILL)
            _ = try await fixture.end(of: daemon)
            // As a rescue and a claim by another runner would leave it.
            _ = try await fixture.tasks.updateOne(
                ["_id": .objectID(try #require(ObjectID(id)))],
                .document(["$set": ["hub.attempt": 2, "hub.lease.runner": .objectID(ObjectID())]])
            )
            daemon = try start(fixture)
            #expect(await eventually { kill(pid, 0) != 0 })
            #expect(await eventually { entries("\(fixture.folder)/state/lost") == ["\(id).1"] })
            #expect(try await fixture.status(id) == "running")
            try await end(daemon, fixture)
        }
    }

    @Test func `A neighbour in the same directory keeps its attempts`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            let first = try start(fixture)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.hasPrefix("begun by") })
            let second = try start(fixture)
            #expect(await eventually { second.errors.contains("Runner started") })
            let ok = try fixture.file("ok.sh", "exit 0")
            let other = try await fixture.run("submit", ok).output.trimmingLineEnd
            #expect(try await fixture.run("wait", other).status == 0)
            #expect(!second.errors.contains("Taking up"), "\(second.errors)")
            _ = try fixture.file("gate", "")
            #expect(try await fixture.run("wait", id).status == 0)
            try await end(first, fixture)
            try await end(second, fixture)
        }
    }

    @Test func `A killed supervisor takes its script along and the task is run again`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "orphan.sh",
                "[ $TENSORHUB_ATTEMPT = 2 ] && exit 0; setsid sleep 1000 & echo \"orphan $! of $PPID\"; wait; sleep 1000"
            )
            let daemon = try start(fixture)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.contains(" of ") })
            let words = try await fixture.run("logs", id).output.split { $0 == " " || $0 == "\n" }
            let orphan = try #require(Int32(words[1]))
            kill(try #require(Int32(words[3])), SIGKILL)
            #expect(try await fixture.run("wait", id).status == 0)
            #expect(await eventually { kill(orphan, 0) != 0 })
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.history.map(\.cause) == ["supervisor-lost", "finished"])
            #expect(task.lost == 1 && task.failures == 0)
            try await end(daemon, fixture)
        }
    }

    /// A claim that nobody answers keeps a hand-over from being in order, but neither from its end nor from hearing
    /// signals.
    @Test(arguments: [false, true]) func `A hand-over does not wait for a database that is away`(isStopped: Bool)
        async throws
    {
        try await withCommands { fixture in
            try await withStandaloneMongod("\(fixture.folder)/db") { uri in
                var environment = fixture.environment
                environment["TENSORHUB_URI"] = uri
                environment["TENSORHUB_TEST_LEASE"] = isStopped ? "16" : "4"
                let daemon = try Program.startDaemon(
                    ["--state-directory", "\(fixture.folder)/state", "--log-level", "debug"],
                    environment: environment
                )
                // Said by one that has begun to look at the queue.
                #expect(await eventually { daemon.errors.contains("No change events") })
                let mongod = try #require(try readLines("\(fixture.folder)/db/mongod.lock").first.flatMap { Int32($0) })
                kill(mongod, SIGSTOP)
                defer { kill(mongod, SIGCONT) }
                // Said while a claim without an answer is looked up.
                #expect(await eventually(within: .seconds(60)) { daemon.errors.contains("MongoDB is still away") })
                daemon.signal(SIGUSR2)
                if isStopped {
                    #expect(await eventually { daemon.errors.contains("Handing over") })
                    for _ in 0..<3 { daemon.signal(SIGTERM) }
                }
                let end = try await fixture.end(of: daemon)
                #expect(end.status == (isStopped ? 0 : 75), "\(end.errors)")
            }
        }
    }

    @Test func `A hand-over ends the daemon and no script`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            let daemon = try start(fixture)
            let id = try await fixture.run("submit", script, "--result", "accuracy").output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output.hasPrefix("begun by") })
            daemon.signal(SIGUSR2)
            let handedOver = try await fixture.end(of: daemon)
            #expect(handedOver.status == 75, "\(handedOver.errors)")
            #expect(handedOver.errors.contains("Handing over"))
            let next = try start(fixture)
            #expect(await eventually { next.errors.contains("Taking up an attempt") }, "\(next.errors)")
            _ = try fixture.file("gate", "")
            #expect(try await fixture.run("wait", id).status == 0)
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.attempt == 1 && task.result == ["accuracy": 0.5])
            try await end(next, fixture)
        }
    }

    @Test func `Settings are read again and wrong ones change nothing`() async throws {
        try await withCommands { fixture in
            let (script, _) = try gatedScript(fixture)
            let config = try fixture.file("config.yaml", "slots: 1\n")
            let daemon = try start(fixture, "--config", config)
            let ids = try await fixture.run("submit", script, "--count", "2").lines
            #expect(try await eventually { try await fixture.run("logs", ids[0]).output.hasPrefix("begun by") })
            #expect(try await fixture.status(ids[1]) == "pending")

            _ = try fixture.file("config.yaml", "slots: many\n")
            daemon.signal(SIGHUP)
            #expect(await eventually { daemon.errors.contains("cannot be read again") }, "\(daemon.errors)")
            #expect(daemon.errors.contains("slots"))

            _ = try fixture.file("config.yaml", "slots: 2\nlease: 5m\n")
            daemon.signal(SIGHUP)
            #expect(try await eventually { try await fixture.run("logs", ids[1]).output.hasPrefix("begun by") })
            #expect(daemon.errors.contains("settings=lease"), "\(daemon.errors)")
            _ = try fixture.file("gate", "")
            #expect(try await fixture.run("wait", ids[0], ids[1]).status == 0)
            try await end(daemon, fixture)
        }
    }
}
