import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// What a person at a terminal sees; `script` gives the command one.
@Suite struct TerminalTests {
    private func start(_ fixture: CommandFixture, _ command: String) throws -> Program {
        let program = try Program.start(
            "/usr/bin/script",
            ["-qec", "stty cols 60; exec \(Program.folder)/tensorhub \(command)", "/dev/null"],
            environment: fixture.environment
        )
        return program
    }

    @Test func `Waiting draws a bar that goes away at the end`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["status": "pending"], ["status": "finished"])
            let wait = try start(fixture, "wait")
            #expect(await eventually { wait.output.contains("] 1 of 2 tasks ended: 1 finished; 1 pending") })
            #expect(wait.output.contains("\r\u{1B}[K[###"))
            _ = try await fixture.tasks.updateMany([:], .document(["$set": ["status": "failed"]]))
            let result = try await fixture.end(of: wait)
            #expect(result.status == 100)
            #expect(result.output.contains("\r\u{1B}[K2 tasks ended: 2 failed\r\n"))
        }
    }

    @Test func `Control sequences of a script do not reach the terminal`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            let text = "\u{1B}]0;evil\u{07}a\u{0}b \u{1B}[31mred\u{1B}[0m\u{1B}[2J\n"
            _ = try await fixture.outputs.insertMany([
                [
                    "task_id": .objectID(id), "attempt": 1, "seq": .int64(0), "offset": .int64(0),
                    "data": .binary(BSONBinary(bytes: Array(text.utf8))),
                ]
            ])
            let shown = try await fixture.end(of: try start(fixture, "logs \(id)"))
            #expect(shown.output == "ab \u{1B}[31mred\u{1B}[0m\u{1B}[0m\r\n")
            #expect(try await fixture.run("logs", "\(id)").output == text)
        }
    }

    @Test func `A table is cut to the width of the terminal`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["hyper_parameters": ["text": .string(String(repeating: "long ", count: 40))]])
            let result = try await fixture.end(of: try start(fixture, "ls"))
            let row = try #require(result.output.split(separator: "\r\n").last)
            #expect(row.contains("…"))
            #expect(try await fixture.run("ls").line(1).count > 200)
        }
    }

    private static let red = "\u{1B}[31mfailed\u{1B}[0m"

    @Test func `States have colours on a terminal, unless somebody says otherwise`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([
                "status": "failed", "hub": ["attempt": 1, "error": ["kind": "timeout", "message": "too long"]],
            ])[0]
            var plain = fixture
            plain.environment["NO_COLOR"] = "1"
            var dumb = fixture
            dumb.environment["TERM"] = "dumb"
            var empty = fixture
            empty.environment["NO_COLOR"] = ""
            for (fixture, command, isColoured) in [
                (fixture, "ls", true), (fixture, "show \(id)", true), (fixture, "results --status failed", true),
                (empty, "ls", true), (plain, "ls", false), (dumb, "ls", false), (fixture, "ls --color never", false),
                (plain, "ls --color always", true), (fixture, "ls --json", false), (fixture, "ls --quiet", false),
                (fixture, "ls --color always --json", false),
            ] {
                let output = try await fixture.end(of: try start(fixture, command)).output
                #expect(output.contains(Self.red) == isColoured, "\(command): \(output)")
                #expect(output.contains("\u{1B}[") == isColoured, "\(command): \(output)")
            }
            #expect(try await !fixture.run("ls").output.contains("\u{1B}"))
            #expect(try await fixture.run("ls", "--color", "always").output.contains(Self.red))
            #expect(try await fixture.run("ls", "--color", "blue").status == 2)
        }
    }

    @Test func `Times are local on a terminal, in UTC elsewhere`() async throws {
        try await withCommands { fixture in
            var fixture = fixture
            fixture.environment["TZ"] = "XYZ-3"
            let id = try await fixture.store([:])[0]
            let shown = try await fixture.end(of: try start(fixture, "show \(id)")).output
            #expect(shown.contains("2023-11-15 01:13:20 XYZ"), "\(shown)")
            #expect(try await fixture.run("show", "\(id)").output.contains("2023-11-14T22:13:20Z"))
            let json = try await fixture.end(of: try start(fixture, "show \(id) --json")).output
            #expect(json.contains("2023-11-14T22:13:20Z") && !json.contains("XYZ"), "\(json)")
        }
    }
}
