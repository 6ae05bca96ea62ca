import BSON
import Console
import MongoDriver
import TensorHub
import Testing

@Suite struct SubmitTests {
    @Test func `Writes the id alone to standard output and words to standard error`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "print(lr)\n")
            let result = try await fixture.run("submit", script, "-p", "lr=0.1", "--name", "mnist")
            #expect(result.status == 0, "\(result.errors)")
            let id = try #require(ObjectID(result.output.trimmingLineEnd))
            #expect(result.errors == "task 1 created in project test\n")
            let task = try await fixture.hub.task(id)
            #expect(task.name == "mnist")
            #expect(task.script == Array("print(lr)\n".utf8))
            #expect(task.interpreter == "python3")
            #expect(task.hyperParameters == ["lr": 0.1])
        }
    }

    @Test func `Reads values as JSON and everything else as text`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "pass")
            let file = try fixture.file("base.json", #"{"lr": 1, "kept": NaN, "nested": {"a": [1, 2]}}"#)
            let result = try await fixture.run(
                "submit",
                script,
                "-p",
                "@\(file)",
                "-p",
                "lr=0.5",
                "-p",
                "n=3",
                "-p",
                "layers=[800,600]",
                "-p",
                "text=adam",
                "-p",
                "quoted=\"3\"",
                "-p",
                "empty=",
                "-p",
                "yes=true",
                "-p",
                "big=5000000000",
                "-p",
                "equation=a=b",
                "--tag",
                "owner=ann",
                "--tag",
                "year=2026",
                "--description",
                "a test"
            )
            #expect(result.status == 0, "\(result.errors)")
            let task = try await fixture.hub.task(try #require(ObjectID(result.output.trimmingLineEnd)))
            let parameters = try #require(task.hyperParameters)
            #expect(parameters["lr"] == 0.5)
            #expect(parameters["kept"]?.doubleValue?.isNaN == true)
            #expect(parameters["nested"] == ["a": [1, 2]])
            #expect(parameters["n"] == .int32(3))
            #expect(parameters["layers"] == [800, 600])
            #expect(parameters["text"] == "adam")
            #expect(parameters["quoted"] == "3")
            #expect(parameters["empty"] == "")
            #expect(parameters["yes"] == true)
            #expect(parameters["big"] == .int64(5_000_000_000))
            #expect(parameters["equation"] == "a=b")
            #expect(task.tags == ["description": "a test", "owner": "ann", "year": 2026])
        }
    }

    @Test func `Stores every option in its field`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.sh", "exit 0")
            let data = try fixture.file("data.csv", "1,2\n")
            let result = try await fixture.run(
                "submit",
                script,
                "--file",
                data,
                "--file",
                "\(data)=sub/other.csv",
                "--result",
                "a",
                "--result",
                "b",
                "--priority=-3",
                "--max-failures",
                "4",
                "--timeout",
                "2m",
                "--grace",
                "5s",
                "--hold",
                "--not-before",
                "2030-01-01T00:00:00Z"
            )
            #expect(result.status == 0, "\(result.errors)")
            let task = try await fixture.hub.task(try #require(ObjectID(result.output.trimmingLineEnd)))
            #expect(task.interpreter == "sh")
            #expect(task.options.files.map(\.path) == ["data.csv", "sub/other.csv"])
            #expect(task.options.files[0].data == Array("1,2\n".utf8))
            #expect(task.savedResultKeys == ["a", "b"])
            #expect(task.priority == -3)
            #expect(task.maxFailures == 4)
            #expect(task.timeout == .seconds(120))
            #expect(task.grace == .seconds(5))
            #expect(task.isHeld)
            #expect(task.notBefore == BSONDateTime(iso8601: "2030-01-01T00:00:00Z"))
        }
    }

    @Test func `A delay counts from the server's clock`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "pass")
            let id = try await fixture.run("submit", script, "--not-before", "+2h").output.trimmingLineEnd
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            let created = try #require(task.time)
            let delay = try #require(task.notBefore).since(created)
            #expect(delay > .seconds(7140) && delay <= .seconds(7200))
        }
    }

    @Test func `Creates a task for each line of hyper-parameters in order`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "pass")
            let lines = (0..<1500).map { "{\"i\": \($0)}" }.joined(separator: "\n") + "\n\n"
            let result = try await fixture.run(
                "submit",
                script,
                "-p",
                "base=1",
                "-p",
                "i=-1",
                "--each",
                "-",
                input: lines
            )
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.lines.count == 1500)
            let last = try await fixture.hub.task(try #require(ObjectID(result.lines[1499])))
            #expect(last.hyperParameters?["i"] == 1499)
            #expect(last.hyperParameters?["base"] == 1)
            #expect(try await fixture.tasks.countDocuments([:]) == 1500)
        }
    }

    @Test func `Creates each task as often as asked`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "pass")
            let result = try await fixture.run("submit", script, "--count", "3", "--json")
            #expect(result.status == 0, "\(result.errors)")
            let array = try #require(try BSONValue(extendedJSON: result.output).arrayValue)
            #expect(array.compactMap { $0.documentValue?["_id"]?.objectIDValue }.count == 3)
            #expect(try await fixture.tasks.countDocuments([:]) == 3)
        }
    }

    @Test(arguments: [true, false])
    func `The ids of tasks that exist are written when a later batch fails`(_ isJSON: Bool) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train.py", "pass")
            // The last one is a batch of its own, which MongoDB does not take.
            let lines = (0...10_000).map { "{\"i\": \($0)}" }.joined(separator: "\n")
            try await fixture.hub.database.runCommand([
                "create": "Task", "validator": ["hyper_parameters.i": ["$ne": 10_000]],
            ])
            let options = isJSON ? ["--json"] : []
            let result = try await fixture.run("tensorhub", ["submit", script, "--each", "-"] + options, input: lines)
            #expect(result.status != 0)
            #expect(result.errors.contains("only 10000 of the 10001 tasks were created"), "\(result.errors)")
            let ids =
                isJSON
                ? try #require(try BSONValue(extendedJSON: result.output).arrayValue).compactMap {
                    $0.documentValue?["_id"]?.objectIDValue
                } : result.lines.compactMap { ObjectID($0) }
            #expect(ids.count == 10_000)
            let stored = try await fixture.tasks.distinct("_id", [:]).compactMap(\.objectIDValue)
            #expect(Set(ids) == Set(stored))
        }
    }

    @Test func `A script with a first line needs no extension`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("train", "#!/usr/bin/env python3\npass")
            let result = try await fixture.run("submit", script)
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                try await fixture.hub.task(try #require(ObjectID(result.output.trimmingLineEnd))).interpreter == nil
            )
        }
    }

    /// Each with what the message must name.
    static let badInput: [(arguments: [String], message: String)] = [
        (["missing.py"], "missing.py does not exist"),
        (["FOLDER"], "is a directory"),
        (["empty.py"], "is empty"),
        (["large.py"], "limit is 12582912"),
        (["noidea.txt"], "nothing says what runs"),
        (["hollow"], "names no program"),
        (["ok.py", "-p", "lr"], "has no '='"),
        (["ok.py", "-p", "=3"], "no name"),
        (["ok.py", "-p", "a.b=1"], "'a.b'"),
        (["ok.py", "-p", "$a=1"], "'$a'"),
        (["ok.py", "-p", "a={\"b.c\": 1}"], "'b.c'"),
        (["ok.py", "-p", "a={\"\": 1}"], "empty key"),
        (["ok.py", "-p", "n=123456789012345678901234567890"], "n"),
        (["ok.py", "-p", "@FOLDER/list.json"], "list.json"),
        (["ok.py", "-p", "@FOLDER/none.json"], "does not exist"),
        (["ok.py", "--result", "a", "--result", "a"], "'a' is given twice"),
        (["ok.py", "--result", ""], "saved result key is empty"),
        (["ok.py", "--tag", "status=1"], "'status'"),
        (["ok.py", "--tag", "x"], "--tag"),
        (["ok.py", "--name", ""], "task name is empty"),
        (["ok.py", "--count", "0"], "--count is 0"),
        (["ok.py", "--max-failures", "0"], "max_failures is 0"),
        (["ok.py", "--timeout", "soon"], "--timeout 'soon'"),
        (["ok.py", "--timeout", "0"], "timeout"),
        (["ok.py", "--not-before", "tomorrow"], "--not-before 'tomorrow'"),
        (["ok.py", "--interpreter", " "], "interpreter"),
        (["ok.py", "--file", "FOLDER/none.csv"], "none.csv does not exist"),
        (["ok.py", "--file", "FOLDER/ok.py=../x"], "\"../x\""),
        (["ok.py", "--file", "FOLDER/ok.py", "--file", "FOLDER/ok.py"], "given twice"),
        (
            ["ok.py", "--file", "FOLDER/large.py=a", "--file", "FOLDER/large.py=b"],
            "the limit is \(TaskSpec.maximumTaskSize)"
        ),
        (["ok.py", "--uri", "localhost"], "uri"),
        (["ok.py", "--uri", "mongodb://"], "uri"),
        (["ok.py", "--project", ""], "project"),
        (["ok.py", "--priority", "high"], "priority"),
        ([], "script"),
    ]

    @Test(arguments: badInput.indices)
    func `Refuses bad input in one sentence and writes nothing`(_ index: Int) async throws {
        let (arguments, message) = Self.badInput[index]
        try await withCommands { fixture in
            _ = try fixture.file("ok.py", "pass")
            _ = try fixture.file("empty.py", "")
            _ = try fixture.file("noidea.txt", "pass")
            _ = try fixture.file("hollow", "#! \npass")
            _ = try fixture.file("list.json", "[1, 2]")
            _ = try fixture.file("large.py", [UInt8](repeating: 0x20, count: TaskSpec.maximumScriptSize + 1))
            var words = arguments.map { $0.replacingFolder(fixture.folder) }
            if let first = words.first, !first.hasPrefix("/") { words[0] = "\(fixture.folder)/\(first)" }
            let result = try await fixture.run("tensorhub", ["submit"] + words)
            #expect(result.status == 2, "\(result.errors)")
            #expect(result.errors.contains(message), "\(result.errors)")
            #expect(result.output.isEmpty)
            #expect(try await fixture.tasks.countDocuments([:]) == 0)
        }
    }

    @Test(arguments: [
        ("{\"a\": 1}\n{\"a\": \n", "line 2"), ("[1]\n", "line 1"), ("{\"a\": 1}\n\n{\"b.c\": 2}\n", "line 3"),
        ("3\n", "line 1"), ("", "no line"),
    ])
    func `A bad line is named and nothing is written`(_ input: String, _ message: String) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("ok.py", "pass")
            let result = try await fixture.run("submit", script, "--each", "-", input: input)
            #expect(result.status == 2)
            #expect(result.errors.contains(message), "\(result.errors)")
            #expect(result.output.isEmpty)
            #expect(try await fixture.tasks.countDocuments([:]) == 0)
        }
    }
}

extension String {
    var trimmingLineEnd: String { hasSuffix("\n") ? String(dropLast()) : self }

    func replacingFolder(_ folder: String) -> String {
        guard let start = indices.first(where: { self[$0...].hasPrefix("FOLDER") }) else { return self }
        return self[..<start] + folder + self[index(start, offsetBy: 6)...]
    }
}
