import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct LogsTests {
    private func store(_ fixture: CommandFixture, _ chunks: [(Int, Int64, String)], of id: ObjectID) async throws {
        var seq: Int64 = 0
        for (attempt, offset, text) in chunks {
            _ = try await fixture.outputs.insertMany([
                [
                    "task_id": .objectID(id), "attempt": .init(smallest: attempt), "seq": .int64(seq),
                    "offset": .int64(offset),
                    "data": .binary(BSONBinary(bytes: Array(text.utf8))),
                ]
            ])
            seq += 1
        }
    }

    @Test func `Shows only the last state of a progress bar`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            try await store(fixture, [(1, 0, "start\n 10%\r 50"), (1, 14, "%\r100%\r\nend")], of: id)
            #expect(try await fixture.run("logs", "\(id)").output == "start\n100%\nend\n")
            #expect(try await fixture.run("logs", "\(id)", "--raw").output == "start\n 10%\r 50%\r100%\r\nend")
            #expect(
                try await fixture.run("logs", "\(id)", "--json").output == """
                    {"attempt": 1, "text": "start"}
                    {"attempt": 1, "text": "100%"}
                    {"attempt": 1, "text": "end"}

                    """
            )
        }
    }

    @Test func `Shows the latest attempt unless asked for another`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(["hub": ["attempt": 2]])[0]
            try await store(fixture, [(1, 0, "first\n"), (2, 0, "second\n")], of: id)
            #expect(try await fixture.run("logs", "\(id)").output == "second\n")
            #expect(try await fixture.run("logs", "\(id)", "--attempt", "1").output == "first\n")
            #expect(try await fixture.run("logs", "\(id)", "--attempt", "3").status == 3)
        }
    }

    @Test func `Tells what the output limit left out`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            try await store(fixture, [(1, 0, "head\n"), (1, 1005, "tail\n")], of: id)
            let result = try await fixture.run("logs", "\(id)")
            #expect(result.output == "head\ntail\n")
            #expect(result.errors.contains("1000 bytes left out"))
        }
    }

    @Test(arguments: [("finished", Int32(0)), ("failed", 100), ("cancelled", 103)])
    func `Follows to the end and returns the status of the task`(_ state: String, _ status: Int32) async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(["status": "running"])[0]
            let follower = try fixture.start("logs", "-f", "\(id)")
            try await store(fixture, [(1, 0, "one\n")], of: id)
            #expect(await eventually { follower.output == "one\n" })
            #expect(follower.status == nil)
            _ = try await fixture.tasks.updateOne([:], .document(["$set": ["status": .string(state)]]))
            let result = try await fixture.end(of: follower)
            #expect(result.status == status)
            #expect(result.output == "one\n")
        }
    }

    @Test func `A reader that goes away ends it quietly`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([:])[0]
            try await store(fixture, [(1, 0, String(repeating: "line\n", count: 40_000))], of: id)
            let program = try Program.start(
                "/bin/sh",
                ["-c", "{ \"$0\" logs \(id); echo status $? >&2; } | head -n 1", "\(Program.folder)/tensorhub"],
                environment: fixture.environment
            )
            program.send("")
            let result = try await fixture.end(of: program)
            #expect(result.output == "line\n")
            #expect(result.errors == "status 141\n")
        }
    }
}
