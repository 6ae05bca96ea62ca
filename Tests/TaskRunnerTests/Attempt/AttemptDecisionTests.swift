import BSON
import TensorHub
import Testing

@testable import TaskRunner

/// The decisions around an attempt that need no process: command, environment, outcome.
@Suite struct AttemptDecisionTests {
    private func command(_ script: String, _ interpreter: String? = nil) throws -> ScriptCommand {
        try ScriptCommand(
            script: Array(script.utf8),
            interpreter: interpreter,
            path: "/a:relative:/b",
            pythonFolder: "/py"
        ) {
            $0.hasPrefix("/b/") || $0.hasPrefix("/usr/bin/") || $0 == "/bin/sh" || $0 == "/bin/true"
        }
    }

    @Test(arguments: [
        ("#!/bin/sh\n", ["/bin/sh", "__script__"]),
        ("#! /bin/sh  -e -x \n", ["/bin/sh", "-e -x", "__script__"]),
        ("#!/bin/true", ["/bin/true", "__script__"]),
        ("#!/bin/sh\r\necho", ["/bin/sh", "__script__"]),
        ("#!/usr/bin/env bash\n", ["/b/bash", "__script__"]),
        ("#!/usr/bin/env python3\n", ["/b/python3", "/py/tensorhub/run.py", "__script__.py"]),
        ("#!/usr/bin/env -S python3.11 -u\n", ["/b/python3.11", "-u", "/py/tensorhub/run.py", "__script__.py"]),
        ("#!/usr/bin/env -Sruby -w\n", ["/b/ruby", "-w", "__script__"]),
        ("#!/usr/bin/env -i sh\n", ["/usr/bin/env", "-i", "sh", "__script__"]),
        ("#!/usr/bin/env A=1 sh\n", ["/usr/bin/env", "A=1", "sh", "__script__"]),
        ("#!/usr/bin/python3 -u\n", ["/usr/bin/python3", "-u", "/py/tensorhub/run.py", "__script__.py"]),
        ("print(1)\n", ["/b/python3", "/py/tensorhub/run.py", "__script__.py"]),
        ("#!\nprint(1)", ["/b/python3", "/py/tensorhub/run.py", "__script__.py"]),
        ("", ["/b/python3", "/py/tensorhub/run.py", "__script__.py"]),
    ])
    func `The first line chooses the interpreter`(script: String, arguments: [String]) throws {
        #expect(try command(script).arguments == arguments)
    }

    @Test func `The interpreter that was asked for comes first`() throws {
        #expect(try command("#!/bin/sh\n", "Rscript --vanilla").arguments == ["/b/Rscript", "--vanilla", "__script__"])
        #expect(try command("", "'/b/my tool' \"a b\"").arguments == ["/b/my tool", "a b", "__script__"])
        #expect(try command("", "bin/tool").arguments == ["bin/tool", "__script__"])
        #expect(try command("", "pythonic").isPython == false)
    }

    @Test(arguments: [
        "env A=1 python3", "env -i python3 -I", "nice -n 5 python3 -u", "timeout 60 python3",
        "stdbuf -oL /b/python3.12",
        "python3 -m cProfile", "python3 -mcProfile", "python3 -Wignore -X dev -m coverage run",
        "python3 /b/torchrun --nnodes 1",
        "torchrun --nproc_per_node 2", "timeout 60 accelerate launch --num_processes 2", "nice python2.7",
        "python3 -m torch.distributed.run --nproc_per_node=2",
    ])
    func `Another program that starts Python is given a file that runs the script`(interpreter: String) throws {
        let command = try command("", interpreter)
        #expect(command.arguments.last == "__start__.py" && command.scriptName == "__script__.py" && command.isPython)
        #expect(command.arguments.count == ScriptCommand.words(interpreter).count + 1)
        #expect(String(decoding: command.starter ?? [], as: UTF8.self).contains("\"/py\""))
    }

    @Test(arguments: [
        "python3 -m mine", "python3 -c 'print(1)'", "env python3 mine.py", "torchrun --no-python", "python3 -",
        "python3 -m torch.distributed.run -m", "python3 -Im mine", "python3 -m pdb",
    ])
    func `Where global variables are not to be had the task is told`(interpreter: String) throws {
        let told = try command("", interpreter)
        #expect(
            told.arguments.prefix(2) == ["/bin/sh", "-c"]
                && told.arguments[3].contains("'\(interpreter)'") == !interpreter.contains("'")
        )
        #expect(told.arguments.last == "__script__" && told.starter == nil && !told.isPython)
        let silent = try ScriptCommand(
            script: [],
            interpreter: interpreter,
            hasGlobals: false,
            path: "/b",
            pythonFolder: "/py"
        ) { _ in true }
        #expect(silent.arguments.dropFirst() == (ScriptCommand.words(interpreter) + ["__script__"]).dropFirst())
    }

    @Test func `A notebook is given as it is`() throws {
        #expect(try command("{}", "papermill --kernel python3").arguments.last == "__script__")
    }

    @Test func `The client's folder is written for every Python`() {
        let text = ScriptCommand.starterText("/a \"b\"\\/\u{E9}:\n", script: "\u{E9}.py")
        #expect(text.contains(#"(b"/a \x22b\x22\x5c/\xc3\xa9:\x0a")"#))
        #expect(text.contains(#"(b"\xc3\xa9.py")"#))
    }

    @Test(arguments: ["#!/nowhere/sh\n", "#!/usr/local/bin/env -x\n"])
    func `A missing interpreter is named`(script: String) throws {
        let error = #expect(throws: AttemptError.self) { try command(script) }
        #expect(error?.code == .cannotStart)
        #expect(error?.message.contains("/") == true)
    }

    @Test func `An interpreter that is not on the path is named`() {
        let error = #expect(throws: AttemptError.self) {
            try ScriptCommand(script: [], interpreter: "julia", path: "/a:/b", pythonFolder: "/py") { _ in false }
        }
        #expect(error?.message == "the program 'julia' is not on this runner's PATH (/a:/b)")
    }

    // MARK: Environment

    private func environment(
        _ hyperParameters: BSONDocument,
        inherited: [ByteString: String] = [:],
        allowing: [String] = []
    ) -> [ByteString: String] {
        let plan = AttemptPlan(
            id: AttemptID(task: ObjectID(), number: 2),
            token: ObjectID(),
            task: [:],
            project: "p",
            script: [],
            hyperParameters: hyperParameters
        )
        let directory = AttemptDirectory(plan.id, in: "/s")
        return ScriptEnvironment(inherited: inherited, allowing: allowing)
            .environment(for: plan, in: directory, pythonFolder: "/py").variables
    }

    @Test func `Variables whose names only look alike are two`() {
        let inherited: [ByteString: String] = ["MINE_\u{E9}": "one", "MINE_e\u{301}": "two"]
        let names = environment([:], inherited: inherited, allowing: ["MINE_*"])
        #expect(names["MINE_\u{E9}"] == "one" && names["MINE_e\u{301}"] == "two")
        #expect(environment([:], inherited: inherited, allowing: ["MINE_\u{E9}"])["MINE_e\u{301}"] == nil)
    }

    @Test func `Only the allow-list passes and never the runner's own variables`() {
        let inherited: [ByteString: String] = [
            "PATH": "/bin", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "GPU-1", "SECRET": "x", "TENSORHUB_URI": "x",
            "NOTIFY_SOCKET": "x", "MINE_A": "1", "PYTHONPATH": "/lib",
        ]
        let names = environment([:], inherited: inherited, allowing: ["MINE_*", "TENSORHUB_*", "NOTIFY_SOCKET"])
        #expect(names["PATH"] == "/bin" && names["LC_ALL"] == "C" && names["CUDA_VISIBLE_DEVICES"] == "GPU-1")
        #expect(names["MINE_A"] == "1")
        #expect(names["SECRET"] == nil && names["TENSORHUB_URI"] == nil && names["NOTIFY_SOCKET"] == nil)
        #expect(names["PYTHONPATH"] == "/py")
        #expect(environment([:], inherited: inherited, allowing: ["*"])["PYTHONPATH"] == "/py:/lib")
        #expect(environment([:], inherited: inherited, allowing: ["*"])["TENSORHUB_URI"] == nil)
    }

    @Test func `A folder that PYTHONPATH cannot hold is there from the working directory`() {
        func path(_ folder: String, _ work: String) -> String? { ScriptEnvironment.relativePath(folder, from: work) }
        #expect(path("/s/a:b/python/1", "/s/a:b/attempts/x/work") == "../../../python/1")
        #expect(path("/s/a:b/python/1", "/other/x/work") == nil)
    }

    @Test func `Hyper-parameters are variables`() {
        let names = environment(["lr": 0.5, "name": "a b", "9": 1, "a.b": 1, "list": [1, 2], "nul": "a\0b", "": 1])
        #expect(names["TENSORHUB_HP_lr"] == "0.5")
        #expect(names["TENSORHUB_HP_name"] == "a b")
        #expect(names["TENSORHUB_HP_list"]?.filter { $0 != " " } == "[1,2]")
        #expect(names.keys.filter { $0.hasPrefix("TENSORHUB_HP_") }.count == 3)
        #expect(names["TENSORHUB_HYPER_PARAMETERS"]?.contains("\"lr\"") == true)
        #expect(names["TENSORHUB_ATTEMPT"] == "2")
    }

    @Test func `Hyper-parameters that are too large for the kernel stay in the file`() {
        let large = String(repeating: "x", count: ScriptEnvironment.valueLimit + 1)
        #expect(environment(["a": .string(large), "b": 1])["TENSORHUB_HP_a"] == nil)
        #expect(environment(["a": .string(large), "b": 1])["TENSORHUB_HP_b"] == "1")
        #expect(environment(["a": .string(large), "b": 1])["TENSORHUB_HYPER_PARAMETERS"] == nil)

        let many = BSONDocument(elements: (0..<20).map { ("k\($0)", .string(String(large.dropLast(100)))) })
        let total = environment(many).filter { $0.key.hasPrefix("TENSORHUB_H") }.values.map(\.utf8.count).reduce(0, +)
        #expect((400 << 10...ScriptEnvironment.totalLimit).contains(total))
    }

    // MARK: Outcome

    private func outcome(
        _ record: String?,
        supervisor: SupervisorProcess.Ending = .exited(0),
        result: String? = nil,
        keys: [String] = [],
        stop: String? = nil
    ) -> AttemptOutcome {
        AttemptFacts(
            record: record.flatMap { ExitRecord(json: Array($0.utf8)) },
            supervisor: supervisor,
            resultFile: result.map { Array($0.utf8) },
            savedResultKeys: keys,
            stopReason: stop
        ).outcome
    }

    private func kind(_ outcome: AttemptOutcome) -> AttemptOutcome.Kind? {
        if case .failed(let kind, _, _) = outcome { kind } else { nil }
    }

    @Test func `Results are JSON as Python writes it`() {
        let result = outcome(
            #"{"exit":0}"#,
            result: #"{"a": 1, "b": -Infinity, "c": 9.5e18, "$oid": "x", "a.b": [], "": null, "a": 2}"#,
            keys: ["a"]
        )
        let expected: BSONDocument = [
            "a": .int64(2), "b": .double(-.infinity), "c": .double(9.5e18), "$oid": "x", "a.b": [],
            "": .null,
        ]
        #expect(result == .finished(result: expected))
    }

    @Test(arguments: [
        "", "[1]", "3", "{", "{\"a\": 1} x", "{\"a\\u0000b\": 1}", "{'a': 1}",
        "{\"a\": 9223372036854775808}", "{\"a\": [1e400]}",
    ])
    func `A result that is no object of JSON fails the task`(text: String) {
        let outcome = outcome(#"{"exit":0}"#, result: text, keys: ["a"])
        #expect(kind(outcome) == .badResult)
    }

    @Test func `A result that is too large or too deep fails the task`() {
        let large = "{\"a\": \"" + String(repeating: "x", count: 16 << 20) + "\"}"
        #expect(kind(outcome(#"{"exit":0}"#, result: large)) == .badResult)
        let deep = "{\"a\": " + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
        #expect(kind(outcome(#"{"exit":0}"#, result: deep)) == .badResult)
        // Small as text, too large as BSON.
        let wide = AttemptOutcome.result(Array("{\"a\": [1,2,3,4,5,6,7,8]}".utf8), keys: [], limit: 100)
        #expect(throws: AttemptOutcome.ResultFault.self) { try wide.get() }
    }

    @Test func `A script that fails is judged by its status, not by its result`() {
        #expect(kind(outcome(#"{"exit":1}"#, result: "{", keys: ["a"])) == .exitStatus)
        #expect(kind(outcome(#"{"exit":0}"#, keys: ["a"])) == .missingResult)
        #expect(kind(outcome(#"{"signal":9}"#)) == .signal)
        #expect(kind(outcome(#"{"error":"No such file or directory","errno":2}"#)) == .cannotStart)
        #expect(outcome(#"{"error":"No space left on device","errno":28}"#) == .stopped(reason: "machine"))
        #expect(isLost(outcome(#"{"error":"the script could not be killed","stopped":null}"#), .supervisorLost))
        #expect(kind(outcome(#"{"signal":9,"out_of_memory":true,"peak_memory":1048576}"#)) == .outOfMemory)
        #expect(outcome(#"{"exit":85}"#, keys: ["a"]) == .checkpointed)
    }

    @Test func `A stop that took effect is no failure`() {
        let stopped = #"{"signal":15,"stopped":"request"}"#
        #expect(outcome(stopped, stop: "cancelled") == .stopped(reason: "cancelled"))
        #expect(outcome(stopped) == .stopped(reason: "request"))
        #expect(outcome(nil, supervisor: .signaled(9), stop: "cancelled") == .stopped(reason: "cancelled"))
        #expect(kind(outcome(#"{"signal":15,"stopped":"timeout"}"#, stop: "timeout")) == .timeout)
        #expect(kind(outcome(#"{"signal":15,"stopped":"stall"}"#, stop: "stall")) == .stall)
        #expect(outcome(#"{"exit":85,"stopped":"timeout"}"#, stop: "timeout") == .checkpointed)
        // It had ended before the request reached it.
        #expect(outcome(#"{"exit":0}"#, stop: "cancelled") == .finished(result: [:]))
    }

    @Test(arguments: ["drain", "outage"]) func `A script may finish while its runner stops it`(reason: String) {
        let exited = #"{"exit":0,"stopped":"request"}"#
        #expect(
            outcome(exited, result: #"{"a": 1}"#, keys: ["a"], stop: reason) == .finished(result: ["a": .int64(1)])
        )
        #expect(outcome(exited, keys: ["a"], stop: reason) == .stopped(reason: reason))
        #expect(outcome(exited, stop: reason) == .stopped(reason: reason))
        #expect(outcome(exited, result: #"{"a": 1}"#, keys: ["a"], stop: "cancelled") == .stopped(reason: "cancelled"))
        #expect(outcome(#"{"exit":85,"stopped":"request"}"#, stop: reason) == .checkpointed)
        #expect(outcome(#"{"exit":85,"stopped":"request"}"#, stop: "cancelled") == .stopped(reason: "cancelled"))
    }

    @Test func `Without a report the supervisor's end tells`() {
        #expect(kind(outcome(nil, supervisor: .exited(75))) == .journalLost)
        #expect(kind(outcome(nil, supervisor: .exited(0))) == .journalLost)
        #expect(isLost(outcome(nil, supervisor: .exited(74)), .supervisorLost))
        #expect(outcome(nil, supervisor: .exited(71)) == .stopped(reason: "machine"))
        #expect(isLost(outcome(nil, supervisor: .signaled(9)), .supervisorLost))
        #expect(isLost(outcome(nil, supervisor: .unknown), .supervisorLost))
        #expect(isLost(outcome(nil, supervisor: .otherBoot), .hostRestarted))
    }

    private func isLost(_ outcome: AttemptOutcome, _ kind: AttemptOutcome.Kind) -> Bool {
        if case .lost(kind, _) = outcome { true } else { false }
    }

    @Test func `The wait after a failure doubles and is bounded`() {
        for failures in [0, 1, 5, 100] {
            let wait = backoff(.seconds(10), afterFailures: failures)
            let middle = min(Double(10 * (1 << min(failures, 20))), 3600)
            #expect(wait / .seconds(1) >= middle * 0.75 && wait / .seconds(1) <= middle * 1.25)
        }
        #expect(backoff(.zero, afterFailures: 3) == .zero)
        #expect(backoff(.seconds(1), afterFailures: -7) <= .seconds(2))
    }

    @Test(
        arguments: [
            (Array("é".utf8.dropFirst()) + [65, 66, 67], "ABC"),
            ([65, 0, 66, 0xFF], "A\u{FFFD}B\u{FFFD}"),
            ([], ""),
            ([0x80], "\u{FFFD}"),
        ] as [([UInt8], String)]
    )
    func `The tail is text whatever was printed`(bytes: [UInt8], text: String) {
        #expect(AttemptOutcome.text(ofTail: bytes) == text)
    }

    @Test func `The tail fits its limit after repair`() {
        let text = AttemptOutcome.text(ofTail: [UInt8](repeating: 0xFF, count: 8192))
        #expect(text.utf8.count == 8190)
    }

    @Test(arguments: ["", "[]", "{", "{\"exit\":\"x\",\"duration\":1e999,\"output_gap\":{\"from\":5,\"to\":1}}", "\0"])
    func `A damaged exit record does not trap`(text: String) {
        let record = ExitRecord(json: Array(text.utf8))
        #expect(record?.exit == nil)
        #expect(record?.outputGap == nil)
    }
}
