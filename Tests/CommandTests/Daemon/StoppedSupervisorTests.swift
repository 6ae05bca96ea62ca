import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// A script may stop the process that watches it. The daemon watches both.
@Suite struct StoppedSupervisorTests {
    /// Processes that carry the folder's name among their words.
    private func processes(_ folder: String) -> [String] {
        entries("/proc").filter { Int32($0) != nil }.filter { pid in
            guard let words = try? readFile("/proc/\(pid)/cmdline") else { return false }
            return String(decoding: words, as: UTF8.self).contains(folder)
        }
    }

    @Test func `The end of a stopped supervisor is seen`() async throws {
        try await withCommands { fixture in
            // More than the pipe holds, so that it cannot end before somebody reads.
            let script = try fixture.file(
                "stop.sh",
                "kill -STOP $PPID; yes 123456789 | head -c 300000; echo '{\"a\": 1}' > $TENSORHUB_RESULT_FILE"
            )
            try await fixture.withDaemon {
                let id = try await fixture.run("submit", script, "--result", "a").output.trimmingLineEnd
                #expect(try await fixture.run("wait", id).status == 0)
                #expect(try await fixture.run("logs", id).output.utf8.count == 300_000)
                let task = try await fixture.hub.task(try #require(ObjectID(id)))
                #expect(task.attempt == 1 && task.failures == 0 && task.interruptions == 0, "\(task.document)")
            }
        }
    }

    @Test func `The time limit of a stopped supervisor holds`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("stop.sh", "kill -STOP $PPID; exec sleep 1000")
            try await fixture.withDaemon {
                let id = try await fixture.run("submit", script, "--timeout", "1s", "--max-failures", "1").output
                    .trimmingLineEnd
                #expect(try await fixture.run("wait", id).status == 100)
                #expect(try await fixture.hub.task(try #require(ObjectID(id))).error?.kind == "timeout")
            }
        }
    }

    @Test func `A cancel holds`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "stop.sh",
                "trap 'touch \(fixture.folder)/told; exit' TERM; kill -STOP $PPID; touch \(fixture.folder)/begun; "
                    + "while :; do sleep 0.01; done"
            )
            try await fixture.withDaemon {
                let id = try await fixture.run("submit", script).output.trimmingLineEnd
                #expect(await eventually { entries(fixture.folder).contains("begun") })
                #expect(try await fixture.run("cancel", id).status == 0)
                #expect(try await fixture.run("wait", id).status == 103)
                #expect(entries(fixture.folder).contains("told"))
            }
        }
    }

    /// A supervisor that never comes to do anything is killed with all below it.
    @Test func `A cancel holds against a script that stops its supervisor for ever`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "stop.sh",
                """
                env -i setsid sh -c "while :; do kill -STOP $PPID; done # \(fixture.folder)" &
                trap '' TERM
                touch \(fixture.folder)/begun
                while :; do sleep 0.01; done
                """
            )
            try await fixture.withDaemon("--grace", "1s") {
                let id = try await fixture.run("submit", script).output.trimmingLineEnd
                #expect(await eventually { entries(fixture.folder).contains("begun") })
                #expect(try await fixture.run("cancel", id).status == 0)
                #expect(try await fixture.run("wait", id).status == 103)
                #expect(await eventually { processes("\(fixture.folder)/state/attempts").isEmpty })
                #expect(processes("# \(fixture.folder)").isEmpty)
            }
        }
    }

    @Test func `The third signal ends the daemon within seconds`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "stop.sh",
                """
                env -i setsid sh -c "while :; do kill -STOP $PPID; done # \(fixture.folder)" &
                trap '' TERM
                touch \(fixture.folder)/begun
                while :; do sleep 0.01; done
                """
            )
            let daemon = try Program.start(
                "tensorhubd",
                ["--state-directory", "\(fixture.folder)/state", "--grace", "10m"],
                environment: fixture.environment
            )
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(await eventually { entries(fixture.folder).contains("begun") })
            daemon.signal(SIGTERM)
            #expect(await eventually { daemon.errors.contains("waiting for 1 task") }, "\(daemon.errors)")
            daemon.signal(SIGTERM)
            #expect(await eventually { daemon.errors.contains("stopping the scripts") }, "\(daemon.errors)")
            daemon.signal(SIGTERM)
            #expect(await eventually(within: .seconds(15)) { daemon.status == 0 }, "\(daemon.errors)")
            _ = try await fixture.end(of: daemon)
            #expect(try await fixture.status(id) == "pending", "\(daemon.errors)")
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.failures == 0 && task.lost == 0, "\(task.document)")
            #expect(await eventually { processes("# \(fixture.folder)").isEmpty })
        }
    }

    /// MongoDB hangs in the middle of a statement, for longer than anybody waits.
    @Test func `The third signal ends the daemon whose database hangs`() async throws {
        try await withCommands { fixture in
            try await withStandaloneMongod("\(fixture.folder)/db") { uri in
                var fixture = fixture
                fixture.environment["TENSORHUB_URI"] = uri
                let script = try fixture.file("begin.sh", "touch \(fixture.folder)/begun; exec sleep 1000")
                let daemon = try Program.start(
                    "tensorhubd",
                    ["--state-directory", "\(fixture.folder)/state"],
                    environment: fixture.environment
                )
                _ = try await fixture.run("submit", script)
                #expect(await eventually { entries(fixture.folder).contains("begun") })
                let mongod = try #require(try readLines("\(fixture.folder)/db/mongod.lock").first.flatMap { Int32($0) })
                kill(mongod, SIGSTOP)
                defer { kill(mongod, SIGCONT) }
                for step in ["waiting for", "stopping the scripts", "killing"] {
                    daemon.signal(SIGTERM)
                    #expect(await eventually { daemon.errors.contains(step) }, "\(daemon.errors)")
                }
                #expect(await eventually(within: .seconds(15)) { daemon.status != nil }, "\(daemon.errors)")
                #expect(daemon.status == 0)
                #expect(await eventually { processes("\(fixture.folder)/state/attempts").isEmpty })
            }
        }
    }

    @Test func `A script that signals its supervisor is judged by its end`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "signal.sh",
                "for i in 1 2 3 4 5; do kill -TERM $PPID; kill -QUIT $PPID; sleep 0.05; done; exit 3"
            )
            try await fixture.withDaemon {
                let id = try await fixture.run("submit", script, "--max-failures", "2", "--backoff", "10ms").output
                    .trimmingLineEnd
                #expect(try await fixture.run("wait", id).status == 100)
                let task = try await fixture.hub.task(try #require(ObjectID(id)))
                #expect(task.history.map(\.cause) == ["exit-status", "exit-status"], "\(task.document)")
                #expect(task.interruptions == 0)
            }
        }
    }

    /// The supervisor's parent has changed, and the daemon's number with it.
    @Test(arguments: [SIGUSR2, SIGKILL]) func `A stop is taken from the next daemon too`(_ signal: Int32) async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "told.sh",
                "trap 'touch \(fixture.folder)/told; exit' TERM; touch \(fixture.folder)/begun; "
                    + "while :; do sleep 0.01; done"
            )
            let arguments = ["--state-directory", "\(fixture.folder)/state", "--grace", "10m"]
            let first = try Program.startDaemon(arguments, environment: fixture.environment)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(await eventually { entries(fixture.folder).contains("begun") })
            first.signal(signal)
            _ = try await fixture.end(of: first)
            try await fixture.withDaemon {
                let cancelled = try await fixture.run("cancel", id)
                #expect(cancelled.status == 0)
                #expect(try await fixture.run("wait", id).status == 103)
                #expect(entries(fixture.folder).contains("told"))
            }
        }
    }

    /// What the service manager says when the machine goes down, and the SIGTERM that it sends everybody.
    @Test(arguments: [[SIGUSR1, SIGTERM], [SIGTERM, SIGUSR1], [SIGUSR1, SIGUSR1]])
    func `A machine that goes down gives its tasks back with grace`(_ signals: [Int32]) async throws {
        try await withCommands { fixture in
            let script = try fixture.file(
                "save.sh",
                """
                trap 'sleep 1; echo saved; exit 85' TERM
                touch \(fixture.folder)/begun
                while :; do sleep 0.01; done
                """
            )
            let daemon = try Program.start(
                "tensorhubd",
                ["--state-directory", "\(fixture.folder)/state"],
                environment: fixture.environment
            )
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(await eventually { entries(fixture.folder).contains("begun") })
            for signal in signals { daemon.signal(signal) }
            let end = try await fixture.end(of: daemon)
            #expect(end.status == 0, "\(end.errors)")
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.status == .pending && task.history.map(\.cause) == ["checkpoint"], "\(task.document)")
            // The shell adds lines of its own on the commands that it loses.
            #expect(try await fixture.run("logs", id).lines.contains("saved"))
        }
    }

    /// A process that the kernel holds does not keep the daemon: it is named, and the next daemon waits for it in turn.
    @Test(.enabled(if: FrozenDisk.obstacle == nil, "\(FrozenDisk.obstacle ?? "")"))
    func `The third signal ends the daemon whatever the kernel holds`() async throws {
        try await withCommands { fixture in
            let disk = try FrozenDisk(at: "\(fixture.folder)/disk")
            defer { disk.remove() }
            let script = try fixture.file("held.sh", "touch \(fixture.folder)/begun; echo x > \(disk.path)/file")
            let daemon = try Program.startDaemon(
                ["--state-directory", "\(fixture.folder)/state"],
                environment: fixture.environment
            )
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(await eventually { entries(fixture.folder).contains("begun") })
            for step in ["waiting for", "stopping the scripts", "killing"] {
                daemon.signal(SIGTERM)
                #expect(await eventually { daemon.errors.contains(step) }, "\(daemon.errors)")
            }
            let hasEnded = await eventually(within: .seconds(15)) { daemon.status == 0 }
            defer { disk.thaw() }
            #expect(hasEnded, "\(daemon.errors)")
            #expect(daemon.errors.contains("(sh, D)"), "\(daemon.errors)")
            #expect(try await fixture.status(id) == "running")
            try await fixture.withDaemon {
                let status = try await fixture.status(id)
                #expect(status == "running")
                disk.thaw()
                #expect(try await fixture.run("wait", id).status == 0)
                let task = try await fixture.hub.task(try #require(ObjectID(id)))
                #expect(task.attempt == 2 && task.failures == 0, "\(task.document)")
            }
        }
    }
}
