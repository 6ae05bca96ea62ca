import BSON
import MongoDriver
import TensorHub
import Testing

/// `cancel`, `retry`, `hold`, `release` and `rm`.
@Suite struct ChangeTests {
    @Test func `Each changes what it is about and says how many`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("ok.sh", "exit 0")
            let id = try await fixture.run("submit", script).output.trimmingLineEnd

            let held = try await fixture.run("hold", id)
            #expect(held.status == 0 && held.output.isEmpty && held.errors == "1 task held\n")
            #expect(try await fixture.hub.findTasks()[0].isHeld)

            #expect(try await fixture.run("release", id).errors == "1 task released\n")
            #expect(try await fixture.hub.findTasks()[0].isHeld == false)

            let cancelled = try await fixture.run("cancel", "--all", "--reason", "wrong data", "--json")
            #expect(cancelled.output == "{\"cancelled\": 1, \"asked_to_end\": 0}\n")
            #expect(cancelled.errors == "1 task cancelled\n")
            #expect(try await fixture.status(id) == "cancelled")
            #expect(try await fixture.hub.findTasks()[0].document.value(atPath: "hub.cancel.reason") == "wrong data")

            #expect(try await fixture.run("retry", "--status", "cancelled").errors == "1 task retried\n")
            #expect(try await fixture.status(id) == "pending")

            #expect(try await fixture.run("rm", id).errors == "1 task deleted\n")
            #expect(try await fixture.tasks.countDocuments([:]) == 0)
        }
    }

    @Test(arguments: ["cancel", "retry", "hold", "release", "rm"])
    func `Refuses to take every task unless that is said`(_ verb: String) async throws {
        try await withCommands { fixture in
            try await fixture.store(["status": "pending"])
            for arguments in [[], ["--filter", "{}"]] {
                let result = try await fixture.run("tensorhub", [verb] + arguments)
                #expect(result.status == 2)
                #expect(result.errors.contains("--all"))
            }
            #expect(try await fixture.run("tensorhub", [verb, "-"], input: "").status == 3)
            #expect(try await fixture.run("tensorhub", [verb, "--all", "--name", "a"]).status == 2)
            #expect(try await fixture.hub.findTasks().map(\.status) == [.pending])
        }
    }

    @Test(arguments: [("cancel", "finished"), ("retry", "pending"), ("hold", "finished"), ("release", "pending")])
    func `A task in another state is nothing matched`(_ verb: String, _ state: String) async throws {
        try await withCommands { fixture in
            let id = try await fixture.store(["status": .string(state)])[0]
            let result = try await fixture.run(verb, "\(id)")
            #expect(result.status == 3)
            #expect(result.errors.contains("nothing was"), "\(result.errors)")
            #expect(try await fixture.status("\(id)") == state)
        }
    }

    @Test func `A script that still runs is asked to end, what was pending is cancelled`() async throws {
        try await withCommands { fixture in
            let lease: BSONValue = [
                "runner": .objectID(ObjectID()), "token": .objectID(ObjectID()), "expires": .dateTime(.now),
            ]
            let hub: BSONValue = ["v": 1, "attempt": 1, "lease": lease]
            let running: BSONDocument = ["status": "running", "task_name": "a", "hub": hub]
            try await fixture.store(running, ["status": "pending"], ["status": "pending"], ["status": "finished"])
            #expect(try await fixture.run("cancel", "--name", "a").errors == "1 task asked to end\n")
            let all = try await fixture.run("cancel", "--all", "--json")
            #expect(all.status == 0 && all.errors == "2 tasks cancelled, 1 asked to end\n")
            #expect(all.output == "{\"cancelled\": 3, \"asked_to_end\": 1}\n")
            #expect(try await fixture.hub.countTasks() == [.running: 1, .cancelled: 2, .finished: 1])
        }
    }

    @Test func `A running task is deleted only by force`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(["status": "running"], ["status": "finished"])
            let refused = try await fixture.run("rm", "--all")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("--force"))
            #expect(try await fixture.tasks.countDocuments([:]) == 2)
            #expect(try await fixture.run("rm", "\(ids[0])", "--force").status == 0)
            #expect(try await fixture.tasks.countDocuments([:]) == 1)
        }
    }

    @Test func `Ids that do not match are counted`() async throws {
        try await withCommands { fixture in
            let ids = try await fixture.store(["status": "pending"], ["status": "finished"])
            let result = try await fixture.run("cancel", "\(ids[0])", "\(ids[1])")
            #expect(result.status == 0)
            #expect(result.errors == "1 task cancelled (1 other id: not there, or not pending or running)\n")
        }
    }
}
