import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// Daemons of several machines, some of which do not have what the tasks need.
@Suite(.enabled(if: Program.namesHosts, "needs name spaces for host names")) struct OtherMachineTests {
    /// Machines that live while the body runs, each with a module `rare` of its own or without.
    private struct Machines {
        let fixture: CommandFixture
        var daemons: [Program] = []

        /// - Parameter hasModule: Whether its Python finds `rare`.
        mutating func start(_ host: String, slots: Int = 4, hasModule: Bool = false) throws {
            let python = try fixture.file("\(host)-python", Self.python(hasModule ? "\(fixture.folder)/modules" : ""))
            chmod(python, 0o755)
            let arguments = [
                "--state-directory", "\(fixture.folder)/\(host)", "--slots", "\(slots)", "--python", python,
            ]
            daemons.append(try Program.startDaemon(arguments, host: host, environment: fixture.environment))
        }

        private static func python(_ folder: String) -> String {
            "#!/bin/sh\nPYTHONPATH=\"$PYTHONPATH:\(folder)\" exec /usr/bin/env python3 \"$@\"\n"
        }
    }

    private func withMachines(_ body: (inout Machines) async throws -> Void) async throws {
        try await withCommands { fixture in
            chmod(fixture.folder, 0o755)
            mkdir("\(fixture.folder)/modules", 0o755)
            _ = try fixture.file("modules/rare.py", "value = 7\n")
            var machines = Machines(fixture: fixture)
            let result: Result<Void, any Error>
            do { result = .success(try await body(&machines)) } catch { result = .failure(error) }
            for daemon in machines.daemons { for _ in 0..<3 { daemon.signal(SIGTERM) } }
            for daemon in machines.daemons where daemon.status != -SIGKILL { _ = try await fixture.end(of: daemon) }
            try result.get()
        }
    }

    private func submit(_ fixture: CommandFixture, _ script: String, _ options: String...) async throws -> String {
        let path = try fixture.file("train.py", script)
        let result = try await fixture.run("tensorhub", ["submit", path] + options)
        #expect(result.status == 0, "\(result.errors)")
        return result.output.trimmingLineEnd
    }

    private func task(_ fixture: CommandFixture, _ id: String) async throws -> TaskRecord {
        try await fixture.hub.task(try #require(ObjectID(id)))
    }

    private func runner(_ fixture: CommandFixture, _ name: String) async throws -> RunnerRecord? {
        try await fixture.hub.findRunners().first { $0.name == name && $0.state != .stopped }
    }

    private func isRunning(_ fixture: CommandFixture, _ name: String) async throws -> Bool {
        try await eventually { try await runner(fixture, name)?.state == .running }
    }

    @Test func `What one machine cannot run ends on another, and no task fails for it`() async throws {
        try await withMachines { machines in
            let fixture = machines.fixture
            try machines.start("gpu-1", slots: 1, hasModule: true)
            let gate = "\(fixture.folder)/gate"
            let first = try await submit(
                fixture,
                "import os, time\nwhile not os.path.exists('\(gate)'): time.sleep(0.02)\n"
            )
            #expect(try await eventually { try await fixture.status(first) == "running" })
            try machines.start("gpu-2")
            #expect(try await isRunning(fixture, "gpu-2"))
            var ids: [String] = []
            for number in 1...3 {
                ids.append(try await submit(fixture, "import rare\n", "--max-failures", "1", "-p", "n=\(number)"))
            }
            for id in ids {
                #expect(try await eventually { try await task(fixture, id).lacks.map(\.host) == ["gpu-2"] })
                let waiting = try await task(fixture, id)
                #expect(waiting.status == .pending && waiting.failures == 0 && waiting.interruptions == 1)
                #expect(waiting.error?.kind == "machine-lacks" && waiting.error?.tail?.contains("train.py") == true)
            }
            let why = try await fixture.run("why", ids[0])
            #expect(why.output.contains("gpu-2 has no module rare; the task goes to another machine"), "\(why)")
            #expect(try await fixture.run("show", ids[0]).output.contains("gpu-2 has no module rare"))
            _ = try fixture.file("gate", "")
            #expect(try await fixture.run("tensorhub", ["wait", first] + ids).status == 0)
            for id in ids {
                let done = try await task(fixture, id)
                #expect(done.history.map(\.host) == ["gpu-2", "gpu-1"] && done.failures == 0, "\(done.document)")
            }
        }
    }

    @Test func `The only machine fails a task with what it lacks, and so do two that both lack it`() async throws {
        try await withMachines { machines in
            let fixture = machines.fixture
            try machines.start("gpu-1")
            let script = "if file: open('/nonexistent/train.npz')\nimport rare\n"
            let cases = [
                (["-p", "file=0"], "machine-lacks", "gpu-1 has no module rare"),
                (["-p", "file=1"], "machine-lacks", "gpu-1 has no file /nonexistent/train.npz"),
                (["-p", "file=0", "--python", "conda:nowhere"], "cannot-start", "no conda environment 'nowhere'"),
                (["-p", "file=0", "--cwd", "/nonexistent/nfs"], "cannot-start", "no folder '/nonexistent/nfs'"),
                (["-p", "file=0", "--interpreter", "nowhere-tool"], "cannot-start", "no program 'nowhere-tool'"),
            ]
            let path = try fixture.file("train.py", script)
            for (options, kind, words) in cases {
                let result = try await fixture.run("tensorhub", ["run", path] + options)
                #expect(result.status == 100, "\(result)")
                let newest = try await fixture.hub.findTasks(sort: .newest, limit: 1)
                let failed = try #require(newest.first)
                #expect(failed.status == .failed && failed.attempt == 1 && failed.error?.kind == kind)
                let message = failed.error?.message ?? ""
                #expect(message.contains(words) && message.contains("no runner of another machine"), "\(message)")
            }
            try machines.start("gpu-2")
            #expect(try await isRunning(fixture, "gpu-2"))
            let id = try await submit(fixture, script, "-p", "file=0")
            #expect(try await fixture.run("wait", id).status == 100)
            let failed = try await task(fixture, id)
            #expect(Set(failed.history.compactMap(\.host).map(\.bytes)) == ["gpu-1", "gpu-2"] && failed.failures == 1)
            let message = failed.error?.message ?? ""
            #expect(message.contains("gpu-1 has no module rare") && message.contains("gpu-2 has no module rare"))
        }
    }

    @Test func `Three scripts in a row pause their machine with the reason, until it is resumed`() async throws {
        try await withMachines { machines in
            let fixture = machines.fixture
            try machines.start("gpu-2")
            // The same twice is one script.
            for script in ["import rare", "import rare", "import rare.part", "open('/nonexistent/x')"] {
                let id = try await submit(fixture, script)
                #expect(try await fixture.run("wait", id).status == 100)
            }
            #expect(try await eventually { try await runner(fixture, "gpu-2")?.state == .paused })
            let reason = "3 scripts in a row did not find what they need: no module rare; no file /nonexistent/x"
            #expect(try await eventually { try await runner(fixture, "gpu-2")?.control?.reason == reason })
            let id = try await submit(fixture, "print(1)")
            for arguments in [["runner", "show", "gpu-2"], ["why", id], ["status"]] {
                let result = try await fixture.run("tensorhub", arguments)
                #expect(result.output.contains(reason), "\(arguments): \(result)")
            }
            #expect(try await fixture.run("runner", "ls").errors.contains("has paused itself: \(reason)"))
            // It stays so when it is killed and started again.
            let daemon = try #require(machines.daemons.first)
            daemon.signal(SIGKILL)
            _ = try await fixture.end(of: daemon)
            try machines.start("gpu-2")
            #expect(
                try await eventually {
                    let now = try await runner(fixture, "gpu-2")
                    return now?.state == .paused && now?.control?.reason == reason && now?.pid != Int(daemon.pid)
                }
            )
            #expect(try await fixture.status(id) == "pending")
            #expect(try await fixture.run("runner", "resume", "gpu-2").status == 0)
            #expect(try await fixture.run("wait", id).status == 0)
        }
    }

    @Test func `A daemon that is killed before it could say what was missing leaves that to the next`() async throws {
        try await withMachines { machines in
            let fixture = machines.fixture
            try machines.start("gpu-1")
            let gate = "\(fixture.folder)/gate"
            let id = try await submit(
                fixture,
                "import os, time\nprint('up')\nwhile not os.path.exists('\(gate)'): time.sleep(0.02)\nimport rare\n"
            )
            #expect(try await eventually { try await fixture.run("logs", id).output == "up\n" })
            let daemon = try #require(machines.daemons.first)
            daemon.signal(SIGKILL)
            _ = try await fixture.end(of: daemon)
            _ = try fixture.file("gate", "")
            let exit = "\(fixture.folder)/gpu-1/attempts/\(id).1/journal/exit.json"
            #expect(await eventually { (try? readFile(exit)) != nil })
            try machines.start("gpu-1")
            #expect(try await fixture.run("wait", id).status == 100)
            let failed = try await task(fixture, id)
            #expect(failed.attempt == 1 && failed.failures == 1 && failed.lost == 0, "\(failed.document)")
            #expect(failed.error?.message.contains("gpu-1 has no module rare") == true)
        }
    }
}
