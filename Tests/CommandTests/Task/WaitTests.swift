import BSON
import Foundation
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

    @Test func `A wait says why nothing can move, and again when that is another reason`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("ok.sh", "exit 0")
            _ = try await fixture.run("submit", script, "--hold", "--count", "2")
            let wait = try fixture.start("wait")
            #expect(await eventually { wait.errors.contains("nothing can move: all 2 that are left are held") })
            _ = try await fixture.hub.releaseTasks(.all)
            let noRunner = "nothing can move: no runner serves this project"
            #expect(await eventually(within: .seconds(30)) { wait.errors.contains(noRunner) })
            _ = try await fixture.hub.holdTasks(.all)
            let held = "nothing can move: all 2"
            #expect(
                await eventually(within: .seconds(30)) { wait.errors.components(separatedBy: held).count == 3 },
                "\(wait.errors)"
            )
            #expect(wait.errors.components(separatedBy: noRunner).count == 2)
            #expect(wait.status == nil)
            _ = try await fixture.hub.cancelTasks(.all)
            #expect(try await fixture.end(of: wait).status == 103)
            let quiet = try fixture.start("wait", "-q", "--timeout", "100ms")
            #expect(try await fixture.end(of: quiet).errors.isEmpty)
        }
    }

    private func isUp(_ fixture: CommandFixture) async throws {
        try #require(
            await eventually { try await fixture.hub.findRunners().contains { $0.state == .running } }
        )
    }

    @Test func `Paused runners and one that takes other tasks keep a wait from moving`() async throws {
        try await withCommands { fixture in
            try await fixture.withDaemon("--name", "here", "--task-names", "other") {
                let script = try fixture.file("ok.sh", "exit 0")
                _ = try await fixture.run("submit", script, "--name", "mine")
                try await isUp(fixture)
                let wait = try fixture.start("wait")
                #expect(await eventually { wait.errors.contains("no runner takes what is left; `tensorhub why ") })
                _ = try await fixture.hub.pauseRunners(.named("here"))
                let paused = "every runner is paused: here, which is paused; `tensorhub runner resume`"
                #expect(await eventually(within: .seconds(30)) { wait.errors.contains(paused) }, "\(wait.errors)")
                _ = try await fixture.hub.cancelTasks(.all)
                #expect(try await fixture.end(of: wait).status == 103)
            }
        }
    }

    @Test func `A wait names what failed with its last line`() async throws {
        try await withCommands { fixture in
            func failed(_ line: String) -> BSONDocument {
                let tail = BSONValue.string("x\n\(line)\n")
                let error: BSONValue = ["kind": "exit-status", "message": "exit status 1", "tail": tail]
                return ["status": "failed", "task_name": "mnist", "hub": ["v": 1, "attempt": 1, "error": error]]
            }
            let id = try await fixture.store([:], failed("ValueError: lr is negative"))[1]
            let one = try await fixture.run("wait")
            #expect(one.status == 100)
            #expect(
                one.errors == """
                    2 tasks ended: 1 finished, 1 failed
                    ID                        NAME   FAILURE
                    \(id)  mnist  ValueError: lr is negative

                    """
            )
            for number in 0..<40 { try await fixture.store(failed("Error \(number % 3)")) }
            let many = try await fixture.run("wait")
            let lines = many.errors.split(separator: "\n")
            #expect(lines.count == 6 && lines[1].hasPrefix("TASKS  LATEST"), "\(many.errors)")
            #expect(lines[2].hasPrefix("   14  ") && lines[2].hasSuffix("Error 0"))
        }
    }

    @Test func `The rest of the time is told by finished tasks of the same name, or of the same script`() async throws {
        try await withCommands { fixture in
            let now = BSONDateTime.now.millisecondsSince1970
            func ended(_ seconds: Int64) -> BSONDocument {
                [
                    "v": 1, "started": .dateTime(BSONDateTime(millisecondsSince1970: now - seconds * 1000)),
                    "ended": .dateTime(BSONDateTime(millisecondsSince1970: now)),
                ]
            }
            for seconds: Int64 in [50, 60, 4000] {
                try await fixture.store(["task_name": "a", "hub": .document(ended(seconds))])
            }
            try await fixture.store(["hub": .document(ended(120))])
            let later: BSONDocument = [
                "v": 1, "ready": false, "not_before": .dateTime(BSONDateTime(millisecondsSince1970: 4_000_000_000_000)),
            ]
            for name in ["a", "a", "a", nil] as [String?] {
                var task: BSONDocument = ["status": "pending", "hub": .document(later)]
                if let name { task.append("task_name", .string(name)) }
                try await fixture.store(task)
            }
            #expect(try await fixture.hub.outlook(.all).rest == nil)
            try await fixture.withDaemon("--name", "here", "--slots", "2") {
                try await isUp(fixture)
                // Three of a minute and one of two minutes in two slots.
                #expect(try await fixture.hub.outlook(.all).rest == .seconds(150))
                let wait = try fixture.start("wait")
                let words = "about 2m30s left, by 4 finished tasks of the same kind"
                #expect(await eventually { wait.errors.contains(words) }, "\(wait.errors)")
                _ = try await fixture.hub.cancelTasks(.all)
                #expect(try await fixture.end(of: wait).status == 103)
            }
        }
    }
}
