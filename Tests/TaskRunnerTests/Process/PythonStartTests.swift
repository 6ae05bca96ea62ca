import BSON
import Glibc
import TestSupport
import Testing

@testable import TaskRunner

/// Python that starts otherwise than `python3 SCRIPT`: globals go in and out all the same, or the task says what it
/// lacks.
@Suite struct PythonStartTests {
    /// `res = lr` under the interpreter, after what a test puts in front.
    private func run(
        _ interpreter: String?,
        _ script: String = "res = lr\n",
        programs: [String: String] = [:],
        below folder: String = "state"
    ) async throws -> AttemptRun {
        try await withTemporaryDirectory { parent in
            let (state, bin) = ("\(parent)/\(folder)", "\(parent)/bin")
            for path in [state, bin] { #expect(mkdir(path, 0o755) == 0) }
            for (name, text) in programs {
                // By another process: what this one writes, a child that it starts meanwhile may hold open (ETXTBSY).
                try writeFile("\(parent)/\(name).text", text)
                #expect(system("cp '\(parent)/\(name).text' '\(bin)/\(name)' && chmod 755 '\(bin)/\(name)'") == 0)
            }
            let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
            let launcher = try AttemptLauncher(
                stateDirectory: state,
                supervisor: testedSupervisor,
                environment: ["PATH": "\(bin):\(path)", "HOME": parent]
            )
            let attempts = AttemptFixture(folder: state, launcher: launcher)
            let plan = attempts.plan(
                script,
                interpreter: interpreter,
                hyperParameters: ["lr": 1],
                savedResultKeys: ["res"]
            )
            return try await attempts.run(plan)
        }
    }

    @Test(arguments: [
        "python3 -I", "python3 -E", "python3 -S", "python3 -u -W ignore", "env A=1 python3", "nice -n 5 python3",
        "timeout 60 python3 -I", "python3 -m cProfile", "nice python3 -m trace --count",
    ])
    func `Global variables go in and out`(interpreter: String) async throws {
        let run = try await run(interpreter, "import tensorhub\nassert __name__ == '__main__'\nres = lr\n")
        #expect(run.result == ["res": .int64(1)], "\(run.text)\(run.message)")
    }

    @Test(arguments: ["#!/usr/bin/python3 -I\n", "#!/usr/bin/env -S A=1 python3 -E\n"])
    func `Global variables go in and out by the first line`(line: String) async throws {
        #expect(try await run(nil, line + "res = lr\n").result == ["res": .int64(1)])
    }

    @Test(arguments: ["state:0", "a:b:c d", "\u{E9}:"])
    func `Global variables go in and out below a folder that PYTHONPATH cannot hold`(folder: String) async throws {
        let script = """
            import subprocess, sys, tensorhub
            child = [sys.executable, "-c", "import tensorhub; print(tensorhub.hyper_parameters['lr'])"]
            res = int(subprocess.check_output(child))
            """
        let run = try await run(nil, script, below: folder)
        #expect(run.result == ["res": .int64(1)], "\(run.text)\(run.message)")
        let started = try await self.run("env python3", script, below: folder)
        #expect(started.result == ["res": .int64(1)], "\(started.text)\(started.message)")
    }

    /// Starts the script several times, as those of PyTorch do.
    private func launcher(ranks: Bool) -> String {
        """
        #!/usr/bin/env python3
        import os, subprocess, sys
        environments = [dict(os.environ, RANK=str(i)) if \(ranks ? "True" : "False") else None for i in range(4)]
        children = [subprocess.Popen([sys.executable, "-u", sys.argv[-1]], env=e) for e in environments]
        sys.exit(max(child.wait() for child in children))
        """
    }

    @Test(arguments: ["torchrun --nproc_per_node 4", "timeout 60 accelerate launch"], [true, false])
    func `A launcher of several processes gives one result`(interpreter: String, ranks: Bool) async throws {
        let script = "import os\nres = [lr, os.environ.get('RANK', '0')]\nprint('here')\n"
        let programs = ["torchrun": launcher(ranks: ranks), "accelerate": launcher(ranks: ranks)]
        let run = try await run(interpreter, script, programs: programs)
        #expect(run.result == ["res": [.int64(1), "0"]], "\(run.text)\(run.message)")
        #expect(run.text.split(separator: "here", omittingEmptySubsequences: false).count == 5, "\(run.text)")
    }

    @Test(arguments: ["python3 -m mine", "env python3 mine.py", "mine"])
    func `An unknown interpreter says at its start what the task cannot have`(interpreter: String) async throws {
        let runs = "import sys\nexec(open(sys.argv[-1]).read())\n"
        let programs = ["mine": "#!/usr/bin/env python3\n" + runs]
        let script = "import tensorhub\nprint(tensorhub.hyper_parameters['lr'])\n"
        try await withTemporaryDirectory { folder in
            try writeFile("\(folder)/mine.py", runs)
            let words = interpreter.replacing("mine.py", with: "\(folder)/mine.py")
            let run = try await run(words, script, programs: programs)
            #expect(run.text.hasPrefix("tensorhub: how '\(words)' starts Python is not known here"), "\(run.text)")
            #expect(run.failure == (interpreter.contains("-m") ? .exitStatus : .missingResult))
        }
    }

    @Test(arguments: ["python2.7", "python3.6", "python3.7", "env python2.7", "nice python3.6 -I"])
    func `An old Python has global variables too and says what it lacks`(interpreter: String) async throws {
        let name = String(interpreter.split(separator: " ").first { $0.hasPrefix("python") } ?? "")
        guard let old = oldPython(name) else { return }
        let words = interpreter.replacing(name, with: old)
        let run = try await run(words, "res = {'a': [lr, 1.5, u'x', None]}\n")
        #expect(run.text.hasPrefix("tensorhub: Python \(name.dropFirst(6)) is older than 3.8"), "\(run.text)")
        #expect(run.result == ["res": ["a": [.int64(1), 1.5, "x", .null]]], "\(run.message)")
        let refused = try await self.run(words, "res = print_ = object()\n")
        #expect(
            refused.failure == .badResult && refused.message.contains("'res' cannot be stored: it is of type object")
        )
    }

    @Test(arguments: [
        ("\u{B5}", "\u{B5}"), ("\u{3F5}", "\u{3F5}"), ("\u{3D5}", "\u{3D5}"), ("e\u{301}", "e\u{301}"),
        ("\u{E9}", "e\u{301}"), ("\u{FB01}t", "fit"), ("\u{FF58}", "x"),
    ])
    func `Names that Python writes otherwise are found`(name: String, spelled: String) async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                "assert globals().get('\(name)') == 0.5 and \(spelled) == 0.5\nimport unicodedata\n\(spelled) = 0.75\n",
                hyperParameters: [name: 0.5],
                savedResultKeys: [name]
            )
            let run = try await attempts.run(plan)
            let element = try #require(run.result?.first { _ in true }, "\(run.text)\(run.message)")
            #expect(element.key.utf8.elementsEqual(name.utf8) && element.value == .double(0.75))
        }
    }

    @Test func `A parameter that another hides is told`() async throws {
        try await withAttempts { attempts in
            let plan = attempts.plan(
                "import tensorhub\nres = [\u{3BC}, tensorhub.hyper_parameters['\u{B5}']]\n",
                hyperParameters: ["\u{B5}": 1, "\u{3BC}": 2],
                savedResultKeys: ["res"]
            )
            let run = try await attempts.run(plan)
            #expect(run.result == ["res": [.int64(2), .int64(1)]])
            #expect(run.text.hasPrefix("tensorhub: the hyper-parameter '\u{B5}' is no global variable"))
        }
    }

    private func oldPython(_ name: String) -> String? {
        let home = getenv("HOME").map { String(cString: $0) } ?? ""
        let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(String.init)
        let version = name.dropFirst(6)
        let installed = entries("\(home)/.pyenv/versions").filter { $0.hasPrefix("\(version).") }
        let candidates =
            installed.map { "\(home)/.pyenv/versions/\($0)/bin/python" }
            + folders.filter { !$0.contains("shims") }.map { "\($0)/\(name)" }
        return candidates.first { access($0, X_OK) == 0 }
    }
}
