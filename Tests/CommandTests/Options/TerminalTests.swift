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
            #expect(wait.output.hasPrefix("\r\u{1B}[K[###"))
            _ = try await fixture.tasks.updateMany([:], .document(["$set": ["status": "failed"]]))
            let result = try await fixture.end(of: wait)
            #expect(result.status == 100)
            #expect(result.output.hasSuffix("\r\u{1B}[K2 tasks ended: 2 failed\r\n"))
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
            #expect(try await fixture.run("ls").lines[1].count > 200)
        }
    }
}
