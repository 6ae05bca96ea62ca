import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

@Suite struct DaemonTests {
    @Test func `Tasks go from the shell through a daemon and back`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "print('training', lr)\ntest_accuracy = 1 - lr\n")
            try await fixture.withDaemon("--slots", "2") {
                let lines = "{\"lr\": 0.5}\n{\"lr\": 0.25}\n{\"lr\": 0.125}\n"
                let submitted = try await fixture.run(
                    "submit",
                    script,
                    "--result",
                    "test_accuracy",
                    "--each",
                    "-",
                    input: lines
                )
                #expect(submitted.lines.count == 3, "\(submitted.errors)")
                let waited = try await fixture.run("wait", "-", input: submitted.output)
                #expect(waited.status == 0, "\(waited.errors)")
                let best = try await fixture.run("results", "--best", "test_accuracy", "--csv")
                #expect(
                    best.lines.map {
                        $0.split(separator: ",", omittingEmptySubsequences: false).dropFirst(4).joined(separator: ",")
                    }
                        == ["lr,test_accuracy", "0.125,0.875", "0.25,0.75", "0.5,0.5"]
                )
                #expect(try await fixture.run("logs", submitted.line(0)).output == "training 0.5\n")
            }
        }
    }

    @Test func `Output is seen while the script runs`() async throws {
        try await withCommands { fixture in
            let gate = "\(fixture.folder)/gate"
            let script = try fixture.file(
                "slow.sh",
                "echo begun; while [ ! -e \(gate) ]; do sleep 0.02; done; echo ended; exit 3"
            )
            try await fixture.withDaemon {
                let id = try await fixture.run("submit", script, "--max-failures", "1").output.trimmingLineEnd
                let follower = try fixture.start("logs", "-f", id)
                #expect(await eventually { follower.output == "begun\n" })
                #expect(follower.status == nil)
                _ = try fixture.file("gate", "")
                let result = try await fixture.end(of: follower)
                #expect(result.output == "begun\nended\n")
                #expect(result.status == 100)
                #expect(try await fixture.run("show", id).output.contains("exit-status"))
            }
        }
    }

    @Test func `A running task is cancelled once its script is dead`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("slow.sh", "echo begun; sleep 600")
            try await fixture.withDaemon {
                let id = try await fixture.run("submit", script).output.trimmingLineEnd
                #expect(try await eventually { try await fixture.status(id) == "running" })
                #expect(try await fixture.run("cancel", id).status == 0)
                #expect(try await fixture.run("wait", id).status == 103)
            }
        }
    }

    @Test(arguments: [
        ("exit 0", Int32(0)), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -TERM $$", 143),
    ])
    func `Once ends with the script's status`(_ text: String, _ status: Int32) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("script.sh", text)
            _ = try await fixture.run("submit", script)
            let result = try await once(fixture)
            #expect(result.status == status, "\(result.errors)")
            #expect(result.output.isEmpty)
        }
    }

    @Test func `Once with a missing result is a failure`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("script.sh", "exit 0")
            _ = try await fixture.run("submit", script, "--result", "loss")
            #expect(try await once(fixture).status == 1)
        }
    }

    @Test func `Once takes only what its filters allow`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("script.sh", "exit 5")
            _ = try await fixture.run("submit", script, "--name", "other", "-p", "n=1")
            #expect(try await once(fixture, "--task-names", "mine").status == 3)
            #expect(try await once(fixture, "--filter", #"{"hyper_parameters.n": 2}"#).status == 3)
            #expect(try await once(fixture, "--filter", #"{"hyper_parameters.n": 1}"#).status == 5)
            #expect(try await once(fixture).status == 3)
        }
    }

    @Test func `The first signal drains, the second releases, the third kills`() async throws {
        try await withCommands { fixture in
            let stubborn = try fixture.file("stubborn.sh", "trap '' TERM; echo begun; while :; do sleep 0.05; done")
            let daemon = try Program.startDaemon(
                ["--state-directory", "\(fixture.folder)/state", "--grace", "10m"],
                environment: fixture.environment
            )
            let id = try await fixture.run("submit", stubborn).output.trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output == "begun\n" })
            let later = try await fixture.run("submit", stubborn).output.trimmingLineEnd
            daemon.signal(SIGTERM)
            #expect(await eventually { daemon.errors.contains("waiting for 1 task") }, "\(daemon.errors)")
            #expect(try await fixture.status(id) == "running")
            daemon.signal(SIGTERM)
            #expect(await eventually { daemon.errors.contains("stopping the scripts of 1 task") }, "\(daemon.errors)")
            #expect(daemon.status == nil)
            daemon.signal(SIGTERM)
            let end = try await fixture.end(of: daemon)
            #expect(end.status == 0, "\(end.errors)")
            #expect(try await fixture.status(id) == "pending")
            #expect(try await fixture.status(later) == "pending")
        }
    }

    @Test func `A daemon takes all descriptors that it may have and its scripts keep theirs`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("limit.sh", "ulimit -Sn; cat /proc/$PPID/stat | cut -d ' ' -f 4")
            let start = Unprivileged.command(["\(try Unprivileged.programs())/tensorhubd"]).joined(separator: " ")
            let command = "ulimit -Sn 300; exec \(start) --state-directory \(fixture.folder)/state"
            let daemon = try Program.start("/bin/sh", ["-c", command], environment: fixture.environment)
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(try await fixture.run("wait", id).status == 0)
            #expect(try await fixture.run("logs", id).lines == ["300", "\(daemon.pid)"])
            let limits = String(decoding: try readFile("/proc/\(daemon.pid)/limits"), as: UTF8.self)
            let words = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
                .split(separator: " ")
            #expect(words.count == 6 && words[3] == words[4] && words[3] != "300", "\(words)")
            for _ in 0..<3 { daemon.signal(SIGTERM) }
            _ = try await fixture.end(of: daemon)
        }
    }

    @Test(.enabled(if: access("/usr/bin/prlimit", X_OK) == 0, "needs prlimit"))
    func `Want of descriptors at the end of a script costs nothing of it`() async throws {
        try await withCommands { fixture in
            let gate = "\(fixture.folder)/gate"
            let script = try fixture.file(
                "gated.sh",
                """
                echo begun
                while [ ! -e \(gate) ]; do sleep 0.02; done
                echo '{"path": "/v1/logs/training", "body": {"step": 7}}' > $TENSORHUB_SPOOL_FILE
                echo '{"accuracy": 0.5}' > $TENSORHUB_RESULT_FILE
                """
            )
            let daemon = try Program.startDaemon(
                ["--state-directory", "\(fixture.folder)/state"],
                environment: fixture.environment
            )
            let id = try await fixture.run("submit", script, "--result", "accuracy", "--max-failures", "1").output
                .trimmingLineEnd
            #expect(try await eventually { try await fixture.run("logs", id).output == "begun\n" })
            func limitFiles(_ limit: Int) async throws {
                // As the daemon's own user: another one's limits are not even every root's to change.
                let command = Unprivileged.command(["prlimit", "--pid", "\(daemon.pid)", "--nofile=\(limit):"])
                #expect(try await fixture.run("/usr/bin/env", command).status == 0)
            }
            try await limitFiles(3)
            _ = try fixture.file("gate", "")
            #expect(await eventually { daemon.errors.contains("cannot be read now") }, "\(daemon.errors)")
            #expect(try await fixture.status(id) == "running")
            try await limitFiles(1000)
            #expect(try await fixture.run("wait", id).status == 0)
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.attempt == 1 && task.result == ["accuracy": 0.5], "\(task.document)")
            #expect(try await fixture.hub.logs(.training).map { $0.document["step"]?.intValue } == [7])
            for _ in 0..<3 { daemon.signal(SIGTERM) }
            _ = try await fixture.end(of: daemon)
        }
    }

    @Test func `A database that is away is waited for and told once`() async throws {
        try await withCommands { fixture in
            let daemon = try Program.startDaemon(
                [
                    "--state-directory", "\(fixture.folder)/state", "--uri",
                    "mongodb://ann:geheim@127.0.0.1:1/?serverSelectionTimeoutMS=50",
                ],
                environment: fixture.environment
            )
            #expect(await eventually { daemon.errors.contains("MongoDB is away") })
            daemon.signal(SIGTERM)
            let end = try await fixture.end(of: daemon)
            #expect(end.status == 0)
            #expect(end.errors.split(separator: "\n").count == 2, "\(end.errors)")
            #expect(!end.errors.contains("geheim"))
        }
    }

    @Test(arguments: [
        (["--slots", "0"], "slots"), (["--lease", "3s"], "lease"), (["--uri", "localhost"], "uri"),
        (["--filter", "{"], "filter"),
        (["--log-level", "loud"], "log-level"), (["--supervisor-path", "/nonexistent"], "supervisor"),
        (["--bogus"], "bogus"),
    ])
    func `Refuses bad settings`(_ arguments: [String], _ message: String) async throws {
        try await withCommands { fixture in
            let result = try await once(fixture, arguments)
            #expect(result.status == 2, "\(result.errors)")
            #expect(result.errors.contains(message), "\(result.errors)")
        }
    }

    private func once(_ fixture: CommandFixture, _ arguments: String...) async throws -> ProgramResult {
        try await once(fixture, arguments)
    }

    private func once(_ fixture: CommandFixture, _ arguments: [String]) async throws -> ProgramResult {
        try await fixture.run("tensorhubd", ["--once", "--state-directory", "\(fixture.folder)/state"] + arguments)
    }
}
