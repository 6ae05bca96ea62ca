import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// Python scripts: hyper-parameters as globals, results from globals, in a process that looks like `python3 SCRIPT`.
@Suite struct AttemptPythonTests {
    private func run(
        _ script: String,
        _ hyperParameters: BSONDocument = [:],
        keys: [String] = [],
        files: [TaskFile] = []
    ) async throws -> AttemptRun {
        try await withAttempts { attempts in
            try await attempts.run(
                attempts.plan(script, hyperParameters: hyperParameters, savedResultKeys: keys, files: files)
            )
        }
    }

    @Test func `Hyper-parameters are globals and results are taken from globals`() async throws {
        let script = """
            def train():
                global test_accuracy
                test_accuracy = n_units / 1000
            train()
            name = __name__
            history = [(1, 0.5), {"loss": float("nan")}]
            """
        let run = try await run(script, ["n_units": 800], keys: ["test_accuracy", "name", "history"])
        let result = try #require(run.result)
        #expect(result["test_accuracy"] == .double(0.8))
        #expect(result["name"] == "__main__")
        let history = result["history"]?.arrayValue
        #expect(history?.first == .array([.int64(1), .double(0.5)]))
        #expect(history?.last?.documentValue?["loss"]?.doubleValue?.isNaN == true)
    }

    @Test func `A result that is missing fails the task by name`() async throws {
        let run = try await run("accuracy = 1\nloss = print", keys: ["accuracy", "loss", "other"])
        #expect(run.failure == .badResult)
        let words = "the result 'loss' cannot be stored: loss is of type builtin_function_or_method, which no document"
        #expect(run.message.hasPrefix(words) && run.text.contains(words))
        #expect(run.message.hasSuffix("; it ended without the saved result key 'other'"))
        let missing = try await self.run("accuracy = 1", keys: ["accuracy", "loss", "other"])
        #expect(missing.failure == .missingResult)
        #expect(missing.message == "the script ended without the saved result keys 'loss', 'other'")
    }

    @Test func `The result file comes before globals`() async throws {
        let script = """
            import json, os
            accuracy = 1
            loss = 2
            json.dump({"accuracy": 3, "extra": "kept"}, open(os.environ["TENSORHUB_RESULT_FILE"], "w"))
            """
        let run = try await run(script, keys: ["accuracy", "loss"])
        #expect(run.result == ["accuracy": .int64(3), "extra": "kept", "loss": .int64(2)])
    }

    @Test(arguments: ["time", "os", "sys", "np", "json", "atexit", "print", "__name__", "__builtins__", "code", "path"])
    func `A hyper-parameter may have any name`(name: String) async throws {
        let script = """
            import tensorhub
            ok = tensorhub.hyper_parameters["\(name)"] == 5 and __name__ == "__main__" and len("x") == 1
            """
        let run = try await run(script, [name: 5], keys: ["ok"])
        #expect(run.result == ["ok": true])
    }

    @Test func `A hyper-parameter is no result unless the script sets it`() async throws {
        let unset = try await run("x = 1", ["accuracy": 5], keys: ["accuracy"])
        #expect(unset.failure == .missingResult)
        let set = try await run("accuracy = 5", ["accuracy": 5], keys: ["accuracy"])
        #expect(set.result == ["accuracy": .int64(5)])
        let changed = try await run(
            "accuracy.append(1)\naccuracy = list(accuracy)",
            ["accuracy": []],
            keys: ["accuracy"]
        )
        #expect(changed.result == ["accuracy": [.int64(1)]])
    }

    @Test func `An exception fails the task with a traceback of the script alone`() async throws {
        let run = try await run("accuracy = 1\ndef f():\n    1 / 0\nf()\n", keys: ["accuracy"])
        #expect(run.record?.exit == 1)
        #expect(run.failure == .exitStatus)
        let lines = run.text.split(separator: "\n")
        #expect(lines.first == "Traceback (most recent call last):")
        #expect(lines.last == "ZeroDivisionError: division by zero")
        #expect(lines.filter { $0.contains("File ") }.count == 2)
        #expect(!run.text.contains("tensorhub/"))
    }

    @Test func `A syntax error is shown as Python shows it`() async throws {
        let run = try await run("x = = 1")
        #expect(run.record?.exit == 1)
        #expect(run.text.contains("__script__.py\", line 1") && run.text.contains("SyntaxError"))
        #expect(!run.text.contains("tensorhub/"))
    }

    @Test func `Exit statuses are the script's`() async throws {
        let zero = try await run("import sys\naccuracy = 2\nsys.exit(0)", keys: ["accuracy"])
        #expect(zero.result == ["accuracy": .int64(2)])
        let three = try await run("raise SystemExit(3)")
        #expect(three.record?.exit == 3)
        let text = try await run("import sys; sys.exit('no data')")
        #expect(text.record?.exit == 1)
        #expect(text.text == "no data\n")
        let again = try await run("exit(85)")
        #expect(again.outcome == .checkpointed)
    }

    @Test func `What threads and exit handlers set counts`() async throws {
        let script = """
            import atexit, threading
            go = threading.Event()
            def late():
                global a
                go.wait()
                a = 1
            def handler():
                global b
                b = 2
            atexit.register(handler)
            threading.Thread(target=late).start()
            threading.Timer(0.05, go.set).start()
            """
        let run = try await run(script, keys: ["a", "b"])
        #expect(run.result == ["a": .int64(1), "b": .int64(2)])
    }

    @Test(arguments: ["fork", "spawn", "forkserver"])
    func `Multiprocessing finds the script's functions and hyper-parameters`(method: String) async throws {
        let script = """
            import multiprocessing, pickle
            class Point:
                def __init__(self, x): self.x = x
            def work(x):
                return Point(x * factor)
            assert pickle.loads(pickle.dumps(work)) is work
            if __name__ == "__main__":
                with multiprocessing.get_context("\(method)").Pool(2) as pool:
                    total = sum(p.x for p in pool.map(work, range(5)))
            """
        let run = try await run(script, ["factor": 3], keys: ["total"])
        #expect(run.result == ["total": .int64(30)], "\(run.text)")
    }

    @Test func `The process looks like a script that Python runs`() async throws {
        let script = """
            import os, sys, helper, json
            ok = [
                sys.argv == [__file__], os.path.isabs(__file__) and os.path.basename(__file__) == "__script__.py",
                sys.path[0] == os.path.dirname(__file__) == os.getcwd(), helper.value == 7, json.dumps([]) == "[]",
                sys.modules["__main__"].__dict__ is globals(),
                [n for n in globals() if not n.startswith("__")] == ["lr", "os", "sys", "helper", "json"],
            ]
            """
        let files = [
            TaskFile(path: "helper.py", data: Array("value = 7".utf8)),
            TaskFile(path: "atexit.py", data: Array("raise Exception('the wrong module')".utf8)),
        ]
        let run = try await run(script, ["lr": 0.1], keys: ["ok"], files: files)
        #expect(run.result?["ok"]?.arrayValue == Array(repeating: true, count: 7), "\(run.text)")
    }

    @Test func `Values of every type arrive`() async throws {
        let script = """
            import datetime, math
            utc = datetime.timezone.utc
            ok = [
                a == 2**40, b != b, math.isinf(c), d == datetime.datetime(2024, 2, 29, 12, 0, 0, 250000, utc),
                e == "0123456789abcdef01234567", f == b"\\x00\\xff", g is None, h == {"x": [1, 2.5]}, i is True,
                early == datetime.datetime(1900, 1, 1, tzinfo=utc),
            ]
            """
        let parameters: BSONDocument = [
            "a": .int64(1 << 40), "b": .double(.nan), "c": .double(-.infinity),
            "d": .dateTime(BSONDateTime(millisecondsSince1970: 1_709_208_000_250)),
            "e": .objectID(try #require(ObjectID("0123456789abcdef01234567"))),
            "f": .binary(BSONBinary(bytes: [0, 255])), "g": .null, "h": ["x": [1, 2.5]], "i": true,
            "early": .dateTime(BSONDateTime(millisecondsSince1970: -2_208_988_800_000)),
        ]
        let run = try await run(script, parameters, keys: ["ok"])
        #expect(run.result?["ok"]?.arrayValue == Array(repeating: true, count: 10), "\(run.text)")
    }

    @Test func `A huge hyper-parameter reaches the script`() async throws {
        let run = try await run(
            "import os\nlength = len(text)\ninherited = 'TENSORHUB_HP_text' in os.environ",
            ["text": .string(String(repeating: "é\n", count: 500_000))],
            keys: ["length", "inherited"]
        )
        #expect(run.result == ["length": .int64(1_000_000), "inherited": false])
    }

    @Test func `Odd results are stored or named`() async throws {
        let script = """
            big = 2**70
            half = "\\ud800x"
            keys = {1: "a", "b": (1,)}
            loop = []
            loop.append(loop)
            import enum
            class Color(enum.IntEnum):
                RED = 1
            color = Color.RED
            """
        let stored = try await run(script, keys: ["keys", "color"])
        #expect(stored.result?["keys"] == ["1": "a", "b": [.int64(1)]])
        #expect(stored.result?["color"] == .int64(1))
        for (key, words) in [("loop", "nests deeper"), ("big", "fit into 64 bits"), ("half", "is not UTF-8")] {
            let named = try await run(script, keys: [key])
            #expect(named.failure == .badResult)
            #expect(named.message.hasPrefix("the result '\(key)' cannot be stored: \(key)"))
            #expect(named.message.contains(words), "\(named.message)")
        }
    }

    @Test(.enabled(if: hasNumPy)) func `Arrays and scalars of NumPy become numbers`() async throws {
        let script = """
            import numpy as np
            accuracy = np.float32(0.5)
            count = np.int64(7)
            matrix = np.eye(2)
            flags = {"a": np.bool_(True), "b": [np.arange(2)]}
            nothing = np.float64("nan")
            """
        let keys = ["accuracy", "count", "matrix", "flags", "nothing"]
        let run = try await run(script, ["np": 1], keys: keys)
        let result = try #require(run.result, "\(run.text)")
        #expect(result["accuracy"] == .double(0.5))
        #expect(result["count"] == .int64(7))
        #expect(result["matrix"] == [[.double(1), .double(0)], [.double(0), .double(1)]])
        #expect(result["flags"] == ["a": true, "b": [[.int64(0), .int64(1)]]])
        #expect(result["nothing"]?.doubleValue?.isNaN == true)
    }
}

private let hasNumPy: Bool = {
    let path = getenv("PATH").map { String(cString: $0) }
    guard let command = try? ScriptCommand(script: [], interpreter: nil, path: path, pythonFolder: "/py") else {
        return false
    }
    return system("'\(command.arguments[0])' -c 'import numpy' 2>/dev/null") == 0
}()

@Suite struct PythonClientFilesTests {
    @Test func `Every module of the package is carried`() throws {
        let folder = "\(packageRoot)/python/tensorhub"
        let modules = entries(folder).filter { $0.hasSuffix(".py") }.sorted()
        #expect(PythonClientFiles.files.map(\.name) == modules)
        for (name, bytes) in PythonClientFiles.files {
            #expect(try readFile("\(folder)/\(name)") == bytes, "\(name)")
        }
    }
}
