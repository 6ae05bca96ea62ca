import BSON
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// Whose fault the exception is that ends a Python script.
@Suite(.timeLimit(.minutes(30))) struct ScriptFaultTests {
    private func run(_ script: String, name: String? = "train.py", files: [TaskFile] = []) async throws -> AttemptRun {
        try await withAttempts { attempts in
            var plan = attempts.plan(script, files: files)
            plan.scriptName = name
            return try await attempts.run(plan)
        }
    }

    @Test(arguments: [
        ("x = = 1", "SyntaxError"), ("if True:\npass", "IndentationError"),
        ("if True:\n\tx = 1\n        y", "TabError"),
        ("print(nothing)", "NameError: name 'nothing' is not defined (line 1)"),
        ("def f():\n    x += 1\nf()", "UnboundLocalError"), ("exec('nothing')", "NameError"),
        ("import helper", "SyntaxError"), ("import helper2\nhelper2.f()", "NameError"),
    ])
    func `A script that fails wherever it runs is told by the type of its exception`(
        script: String,
        words: String
    ) async throws {
        let helpers = [
            TaskFile(path: "helper.py", data: Array("x = = 1\n".utf8)),
            TaskFile(path: "helper2.py", data: Array("def f(): nothing\n".utf8)),
        ]
        let run = try await run(script, files: helpers)
        #expect(run.failure == .scriptError && run.lack == nil, "\(run.text)")
        #expect(run.message.contains(words), "\(run.message)")
    }

    @Test(arguments: [
        ("import nowhere.part", "no module nowhere"),
        ("from json import nothing", "no module json that can be imported"),
        ("raise ImportError('install x')", "no module that can be imported (ImportError: install x)"),
        ("open('/nonexistent/a b')", "no file /nonexistent/a b"), ("open(b'/nonexistent/x')", "no file /nonexistent/x"),
        ("import subprocess; subprocess.run(['nowhere-tool'])", "no file nowhere-tool"),
        ("raise FileNotFoundError('no data')", "no file that is asked for (FileNotFoundError: no data)"),
    ])
    func `What the machine lacks is named`(script: String, lack: String) async throws {
        let run = try await run(script)
        #expect(run.failure == .machineLacks, "\(run.text)")
        #expect(run.lack?.hasPrefix(lack) == true, "\(run.lack ?? "")")
    }

    @Test(arguments: [
        "1 / 0", "raise SystemExit(1)", "raise KeyboardInterrupt", "try:\n    nothing\nexcept NameError:\n    exit(3)",
        "try:\n    import nowhere\nexcept ImportError as error:\n    raise RuntimeError('ModuleNotFoundError') from error",
        "compile('x = = 1', 'other.py', 'exec')", "import ast; ast.parse('x = =')",
        "try:\n    import nowhere\nexcept ImportError:\n    pass\nnowhere.f()",
        // Broken on this machine, for all that is known.
        "import textwrap; del textwrap.TextWrapper; textwrap.wrap('x')",
        "import os\nif not os.fork():\n    import nowhere\nos.wait(); exit(2)",
    ])
    func `What is said otherwise, or handled, is a failure like any other`(script: String) async throws {
        let run = try await run(script)
        #expect(run.failure == .exitStatus && run.lack == nil, "\(run.failure as Any): \(run.text)")
    }

    @Test func `Scripts that another program starts are told likewise`() async throws {
        try await withAttempts { attempts in
            for interpreter in ["env A=1 python3", "nice -n 1 python3", "python3 -I"] {
                let plan = attempts.plan("import nowhere", interpreter: interpreter, hyperParameters: ["lr": 1])
                let run = try await attempts.run(plan)
                #expect(run.lack == "no module nowhere", "\(interpreter): \(run.text)")
            }
        }
    }

    @Test(
        arguments: [
            ("exit 1", "", .exitStatus), ("exit 1", "{", .exitStatus), ("exit 1", #"{"kind": "module"}"#, .exitStatus),
            ("exit 1", #"{"type": "x", "kind": "other"}"#, .exitStatus), ("exit 0", forged, nil),
            ("exit 85", forged, nil), ("kill -9 $$", forged, .signal), ("exit 1", forged, .machineLacks),
        ] as [(String, String, AttemptOutcome.Kind?)]
    )
    func `What stands in the file counts where the script has failed, if it can be read`(
        end: String,
        text: String,
        kind: AttemptOutcome.Kind?
    ) async throws {
        let run = try await withAttempts { attempts in
            try await attempts.runShell("printf '%s' '\(text)' > $TENSORHUB_RESULT_FILE.fault; \(end)")
        }
        #expect(run.failure == kind && (run.lack != nil) == (kind == .machineLacks), "\(run.outcome)")
    }

    private static let forged = #"{"type": "ModuleNotFoundError", "kind": "module", "name": "x"}"#

    @Test(
        arguments: [
            (nil, "train.py"), ("/usr/bin/env A=1 python3", "train.py"), ("python3 -m cProfile", "train.py"),
        ] as [(String?, String)]
    )
    func `A traceback names the file that was submitted, and shows its lines`(
        interpreter: String?,
        name: String
    ) async throws {
        let script = """
            import inspect, os, sys, multiprocessing, pickle, threading
            def work(x):
                return x * 2
            if __name__ == "__main__":
                assert os.path.basename(__file__) == "train.py" and sys.argv == [__file__] or "\(interpreter ?? "")"
                assert "return x * 2" in inspect.getsource(work)
                assert pickle.loads(pickle.dumps(work)) is work
                with multiprocessing.get_context("spawn").Pool(1) as pool: assert pool.map(work, [3]) == [6]
                thread = threading.Thread(target=lambda: 1 / zero)
                thread.start(); thread.join()
                raise ValueError("over")  # the last line
            """
        try await withAttempts { attempts in
            var plan = attempts.plan(script, interpreter: interpreter, hyperParameters: ["zero": 0])
            plan.scriptName = name
            let run = try await attempts.run(plan)
            #expect(run.text.contains("work/train.py\", line 11, in <module>"), "\(run.text)")
            #expect(run.text.contains("raise ValueError(\"over\")  # the last line"), "\(run.text)")
            #expect(run.text.contains("1 / zero") && !run.text.contains("__script__"), "\(run.text)")
            try run.launched.directory.remove()
            #expect(entries(attempts.launcher.attemptsFolder).isEmpty)
        }
    }

    @Test(arguments: ["../x.py", "a/b.py", "train", "tensorhub.py", "__start__.py", "helper.py", "", "x\0.py"])
    func `A name that a script cannot have beside its files is not used`(name: String) async throws {
        let run = try await run("x = = 1", name: name, files: [TaskFile(path: "helper.py", data: [])])
        #expect(run.text.contains("__script__.py\", line 1"), "\(run.text)")
    }

    @Test func `Scripts in a row are counted once each, and a success begins anew`() {
        let needs = UnmetNeeds()
        func lacked(_ script: String) -> String? {
            needs.lacked("no \(script)", script: Array(script.utf8), limit: 3).reason
        }
        #expect(lacked("a") == nil && lacked("b") == nil)
        needs.met()
        #expect(lacked("a") == nil && lacked("a") == nil && lacked("b") == nil && lacked("b") == nil)
        #expect(lacked("c") == "3 scripts in a row did not find what they need: no a; no b; no c")
        // Told once; what ran already may add to it.
        #expect(lacked("d") == nil)
    }

    @Test func `One script of many tasks does not run through the queue`() {
        let needs = UnmetNeeds()
        let rests = (0..<10).map { _ in needs.lacked("no x", script: [1], limit: 3).rest }
        #expect(rests.prefix(4) == [.zero, .zero, .seconds(1), .seconds(2)] && rests.last == UnmetNeeds.longestRest)
    }
}
