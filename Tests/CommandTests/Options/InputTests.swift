import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// What comes from other systems and other shells: byte order marks, values that begin with a dash, empty pipes.
@Suite struct InputTests {
    private static let mark = "\u{FEFF}"

    @Test func `A byte order mark is passed over wherever text is read`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.py", Self.mark + "#!/usr/bin/env python3\r\npass\r\n")
            let object = try fixture.file("b.json", Self.mark + "{\"a\": 1}\r\n")
            let lines = try fixture.file("b.jsonl", Self.mark + "\r\n\(Self.mark){\"a\": 1}\r\n{\"a\": 2}\r\n")
            let submitted = try await fixture.run("submit", script, "--hold", "-p", "@\(object)", "--each", lines)
            #expect(submitted.status == 0 && submitted.lines.count == 2, "\(submitted.errors)")
            let task = try await fixture.hub.task(try #require(ObjectID(submitted.lines.first ?? "")))
            let bytes = try readFile(script)
            #expect(task.hyperParameters == ["a": 1] && task.script == bytes)

            let ids = try await fixture.run("ls", "-", "-q", input: Self.mark + submitted.line(0) + "\r\n")
            #expect(ids.lines == [submitted.line(0)], "\(ids.errors)")
            let added = try await fixture.run("log", "add", "training", "-", input: Self.mark + "{\"loss\": 1}\r\n")
            #expect(added.status == 0, "\(added.errors)")
            let model = try await fixture.run("model", "put", object, "--architecture", object, "--name", "m")
            #expect(model.status == 0, "\(model.errors)")
            #expect(try await fixture.hub.findModel(ContentQuery(name: "m")).architecture == ["a": 1])

            let address = try fixture.file("uri", "\(Self.mark)\(fixture.uri)\r\n")
            let settings = try fixture.file("c.yaml", "\(Self.mark)uri-file: \(address)\r\nproject: test\r\n")
            var environment = fixture.environment
            environment["TENSORHUB_URI"] = nil
            let program = try Program.start("tensorhub", ["ls", "-q", "--config", settings], environment: environment)
            program.send("")
            #expect(try await fixture.end(of: program).lines.count == 2)
        }
    }

    @Test func `A script that a byte order mark breaks is refused by name`() async throws {
        try await withCommands { fixture in
            let scripts = [
                try fixture.file("t.sh", Self.mark + "echo\n"),
                try fixture.file("run", Self.mark + "#!/bin/sh\necho\n"),
                try fixture.file("wide.py", [0xFF, 0xFE, 0x70, 0]),
            ]
            for script in scripts {
                let result = try await fixture.run("submit", script, "--hold")
                #expect(result.status == 2 && result.output.isEmpty, "\(script)")
                let isNamed = result.errors.contains("byte order mark") || result.errors.contains("UTF-16")
                #expect(isNamed && result.errors.contains(script), "\(result.errors)")
            }
            let bash = try await fixture.run("submit", scripts[1], "--hold", "--interpreter", "/bin/bash -e")
            #expect(bash.status == 2 && bash.errors.contains("byte order mark"), "\(bash.errors)")
            let filter = try await fixture.run("ls", "--filter", Self.mark + "{}")
            #expect(filter.status == 2 && filter.errors.contains("U+FEFF"), "\(filter.errors)")
        }
    }

    @Test(arguments: [
        ["--priority", "-5"], ["--priority=-5"], ["--priority", "-5", "--hold"], ["--hold", "--priority", "-5"],
    ])
    func `An option takes a number that is negative`(_ words: [String]) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.py", "pass")
            let result = try await fixture.run("tensorhub", ["submit", script] + words)
            #expect(result.status == 0, "\(result.errors)")
            #expect(try await fixture.hub.findTasks(TaskSelection.all).map(\.priority) == [-5])
        }
    }

    @Test func `An option takes a text that begins with a dash, but no other option`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.py", "pass")
            let result = try await fixture.run(
                "tensorhub",
                [
                    "submit", script, "--hold", "-p", "-x=-3", "--tag", "--y=-1e3", "--name", "-- odd", "--description",
                    "-d",
                ]
            )
            #expect(result.status == 0, "\(result.errors)")
            let task = try #require(try await fixture.hub.findTasks(TaskSelection.all).first)
            #expect(task.hyperParameters == ["-x": -3] && task.name == "-- odd")
            #expect(task.tags["--y"] == -1000.0 && task.tags["description"] == "-d")
            let cancelled = try await fixture.run("cancel", "--all", "--reason", "-5 degrees")
            #expect(cancelled.status == 0, "\(cancelled.errors)")

            let metric = try await fixture.run("model", "put", script, "--name", "m", "--metric", "-loss=-0.5")
            #expect(metric.status == 0, "\(metric.errors)")
            #expect(try await fixture.run("log", "add", "training", "loss=-1", "--project", "-p").status == 0)

            let eaten = try await fixture.run("submit", script, "--name", "--hold")
            #expect(
                eaten.status == 2 && eaten.output.isEmpty && eaten.errors.contains("--name=--hold"),
                "\(eaten.errors)"
            )
            let unknown = try await fixture.run("submit", script, "--hold", "-5")
            #expect(unknown.status == 2 && unknown.output.isEmpty)
            let empty = try await fixture.run("submit", "--name=", script)
            #expect(empty.status == 2 && empty.errors.contains("task name is empty"), "\(empty.errors)")
        }
    }

    @Test(arguments: ["18446744073709551615", "-9223372036854775809", "1e400", "1e-400", "9007199254740993.0"])
    func `A number that would become another one is refused at every door`(_ number: String) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.py", "pass")
            let object = try fixture.file("n.json", "{\"a\": [{\"n\": \(number)}]}\n")
            let submit = ["submit", script, "--hold"]
            let commands = [
                submit + ["-p", "n=\(number)"], submit + ["-p", "n=[\(number)]"], submit + ["-p", "@\(object)"],
                submit + ["--each", object], submit + ["--tag", "n={\"a\": \(number)}"],
                ["ls", "--filter", "{\"n\": \(number)}"], ["log", "add", "training", "n=\(number)"],
                ["model", "put", script, "--metric", "n=\(number)"],
                ["model", "put", script, "--architecture", object],
                ["dataset", "put", script, "--tag", "n=\(number)"],
            ]
            for command in commands {
                let result = try await fixture.run("tensorhub", command)
                #expect(result.status == 2 && result.output.isEmpty, "\(command)")
                #expect(result.errors.contains(number), "\(command): \(result.errors)")
            }
            let lines = try await fixture.run("log", "add", "training", "-", input: "{\"n\": \(number)}\n")
            #expect(lines.status == 2 && lines.errors.contains(number))
            #expect(try await fixture.hub.logs(.training).isEmpty)
            #expect(try await fixture.hub.findTasks(TaskSelection.all).isEmpty)
            let settings = try fixture.file("c.yaml", "filter: {\"hyper_parameters.n\": \(number)}\n")
            let read = try await fixture.run("ls", "--config", settings)
            #expect(read.status == 2 && read.errors.contains("filter"), "\(read.errors)")

            let bad = try fixture.file("bad.sh", "echo '{\"acc\": [\(number)]}' > \"$TENSORHUB_RESULT_FILE\"\n")
            let id = try await fixture.run("submit", bad, "--max-failures", "1").output.trimmingLineEnd
            try await fixture.withDaemon {
                let waited = try await fixture.run("wait", "-q", id, "--timeout", "1m")
                #expect(waited.status == 100)
            }
            let error = try await fixture.hub.task(try #require(ObjectID(id))).error
            #expect(error?.kind == "bad-result" && error?.message.contains(number) == true)
        }
    }

    @Test(arguments: [
        #"{"$oid": "x"}"#, #"[{"a": 1, "$numberInt": "5"}]"#, #"{"a\u0000": 1}"#,
        String(repeating: "[", count: 600) + String(repeating: "]", count: 600),
    ])
    func `JSON that cannot be stored does not become text`(_ value: String) async throws {
        try await withCommands { fixture in
            let script = try fixture.file("t.py", "pass")
            for flag in ["-p", "--tag"] {
                let result = try await fixture.run("submit", script, "--hold", flag, "x=\(value)")
                #expect(result.status == 2 && result.output.isEmpty && result.errors.contains("\(flag) x="))
            }
            let begun = try await fixture.run("submit", script, "--hold", "-p", "x={a: \(value)")
            #expect(begun.status == 2 && begun.errors.contains("--text x=..."), "\(begun.errors)")
        }
    }

    @Test func `An empty pipe stores nothing unless that is said; an empty file is stored`() async throws {
        try await withCommands { fixture in
            for noun in ["dataset", "model"] {
                let pipe = try await fixture.run(noun, "put", "-", "--name", "e")
                #expect(
                    pipe.status == 2 && pipe.output.isEmpty && pipe.errors.contains("--allow-empty"),
                    "\(pipe.errors)"
                )
                let full = try await fixture.run(noun, "put", "-", "--name", "e", input: "x")
                #expect(full.status == 0)
                #expect(try await fixture.run(noun, "get", "e", "-o", "-").output == "x")
                #expect(try await fixture.run(noun, "put", "-", "--name", "e", "--allow-empty").status == 0)
                let file = try await fixture.run(noun, "put", try fixture.file("empty", ""), "--name", "e")
                #expect(file.status == 0 && file.errors.contains("0 B"), "\(file.errors)")
            }
            #expect(try await fixture.hub.findDataSets(ContentQuery(name: "e")).count == 3)
        }
    }
}
