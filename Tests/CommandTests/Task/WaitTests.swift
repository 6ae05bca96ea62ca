import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct WaitTests {
    @Test(arguments: [
        ("finished finished", Int32(0)), ("finished failed cancelled", 100), ("cancelled finished", 103),
    ])
    func `The status tells how the tasks ended`(_ states: String, _ status: Int32) async throws {
        try await withCommands { fixture in
            for state in states.split(separator: " ") { try await fixture.store(["status": .string(String(state))]) }
            #expect(try await fixture.run("wait").status == status)
        }
    }

    @Test func `Ends when the last task ends`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(["status": "pending"], ["status": "running"])
            let wait = try fixture.start("wait", ids[0].description, ids[1].description, "--json")
            #expect(await eventually { wait.errors.contains("0 of 2 tasks ended; 1 running, 1 pending") })
            _ = try await fixture.tasks.updateMany([:], .document(["$set": ["status": "finished"]]))
            let result = try await fixture.end(of: wait)
            #expect(result.status == 0)
            #expect(result.errors.hasSuffix("2 tasks ended: 2 finished\n"))
            let counts = try BSONDocument(extendedJSON: result.output)
            #expect(counts == ["total": 2, "pending": 0, "running": 0, "finished": 2, "failed": 0, "cancelled": 0])
        }
    }

    @Test func `A timeout has its own status`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["status": "pending"])
            let result = try await fixture.run("wait", "--timeout", "200ms")
            #expect(result.status == 124)
            #expect(result.errors.contains("within 200ms"))
        }
    }

    @Test func `An id of no task ends the wait at once`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(["status": "pending"])[0]
            let result = try await fixture.run("wait", "\(id)", "000000000000000000000000")
            #expect(result.status == 3)
            #expect(result.errors.contains("no task 000000000000000000000000"))
        }
    }

    @Test func `No ids on standard input are not all tasks`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["status": "pending"])
            let result = try await fixture.run("wait", "-", input: "\n")
            #expect(result.status == 3)
        }
    }

    @Test func `The tasks of a state are those that were in it at the start`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(["status": "pending"], ["status": "failed"])[0]
            let wait = try fixture.start("wait", "--status", "pending")
            #expect(await eventually { wait.errors.contains("0 of 1 task ended") })
            _ = try await fixture.tasks.updateOne(["_id": .objectID(id)], .document(["$set": ["status": "finished"]]))
            #expect(try await fixture.end(of: wait).status == 0)
        }
    }

    @Test func `Control-C ends a wait at once`() async throws {
        try await withCommands { fixture in
            try await fixture.store(["status": "pending"])
            let wait = try fixture.start("wait")
            #expect(await eventually { !wait.errors.isEmpty })
            let start = ContinuousClock.now
            wait.signal(SIGINT)
            #expect(try await fixture.end(of: wait).status == 130)
            // Less than any time-out of a connection.
            #expect(start.duration(to: .now) < .seconds(5))
        }
    }

    @Test func `Submitted tasks can be piped into a wait`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("ok.sh", "exit 0")
            let submitted = try await fixture.run("submit", script, "--count", "3")
            let wait = try Program.start("tensorhub", ["wait", "-"], environment: fixture.environment)
            wait.send(submitted.output)
            #expect(await eventually { wait.errors.contains("0 of 3 tasks ended") })
            _ = try await fixture.hub.cancelTasks(.all)
            #expect(try await fixture.end(of: wait).status == 103)
        }
    }
}
