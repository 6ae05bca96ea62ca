import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

@Suite struct TaskRouteTests {
    @Test func `Tasks are held, released and retried by name, by identifier and by filter`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let ids = try await fixture.hub.createTasks(["a", "a", "b"].map { TaskSpec(name: $0, script: "pass") })
            let one = "{\"ids\": [{\"$oid\": \"\(ids[0])\"}]}"
            #expect(try await client.send("POST", "/v1/tasks/hold", "{\"name\": \"a\"}").json == ["held": 2])
            #expect(try await client.send("POST", "/v1/tasks/release", one).json == ["released": 1])
            #expect(try await fixture.hub.findTasks().map(\.isHeld) == [false, true, false])
            #expect(try await client.send("POST", "/v1/tasks/hold", "{\"ids\": []}").json == ["held": 0])
            #expect(try await client.send("POST", "/v1/tasks/retry", one).json == ["retried": 0])
            _ = try await fixture.hub.cancelTasks(.all)
            #expect(try await client.send("POST", "/v1/tasks/retry", one).json == ["retried": 1])
            #expect(try await client.send("POST", "/v1/tasks/retry", "{\"filter\": {}}").json == ["retried": 2])
            #expect(try await fixture.hub.findTasks().allSatisfy { $0.status == .pending })
        }
    }

    @Test func `Options of pending tasks and tags of any are set, and taken away by null`() async throws {
        try await withDirectServer { fixture in
            let (hub, client) = (fixture.hub, fixture.client)
            var spec = TaskSpec(name: "a", script: "pass", hyperParameters: ["lr": 0.1])
            (spec.timeout, spec.variables, spec.tags) = (.seconds(60), ["A": "1"], ["draft": 1])
            let ids = try await hub.createTasks([spec, spec])
            _ = try await hub.cancelTasks(.ids([ids[1]]))
            let changes = """
                {"name": "a", "tags": {"note": "n"}, "remove_tags": ["draft"], "options": {"priority": 5, "timeout": null,
                "env": {"B": "2"}, "rules": ["exit=3:fail"], "args": ["{lr}"], "max_failures": null}}
                """
            #expect(try await client.send("POST", "/v1/tasks/set", changes).json == ["changed": 2])
            let changed = try await hub.task(ids[0])
            #expect(changed.priority == 5 && changed.timeout == nil && changed.variables == ["A": "1", "B": "2"])
            #expect(changed.rules.map(\.text) == ["exit=3:fail"] && changed.arguments == ["{lr}"])
            #expect(changed.maxFailures == 3 && changed.tags == ["note": "n"])
            let ended = try await hub.task(ids[1])
            #expect(ended.timeout == .seconds(60) && ended.tags == ["note": "n"])
            // As the command line says it, and nothing is changed.
            let before = try await hub.task(ids[0])
            for (options, words) in [
                (#"{"args": ["{rl}"]}"#, "names no hyper-parameter"), (#"{"max_failures": 0}"#, "max_failures"),
                (#"{"cwd": "here"}"#, "a path from the root"),
                (#"{"files": [{"path": "a", "data": ""}]}"#, "run it again"),
                (#"{"hold": true}"#, "hold and release"), (#"{"command": ["true"]}"#, "create another task"),
                (#"{"priority": "high"}"#, "whole number"), (#"{"parameter_args": "hydra"}"#, "no-hyphens"),
            ] {
                let body = #"{"filter": {}, "tags": {"x": 1}, "options": \#(options)}"#
                let reply = try await client.send("POST", "/v1/tasks/set", body)
                #expect(reply.status == 400 && reply.text.contains(words), "\(options): \(reply.text)")
            }
            let both = #"{"filter": {}, "tags": {"status": 1}, "options": {"priority": 9}}"#
            #expect(try await client.send("POST", "/v1/tasks/set", both).status == 400)
            #expect(try await hub.task(ids[0]) == before)
        }
    }

    @Test func `A changed copy is made of a task in any state, and says where it comes from`() async throws {
        try await withDirectServer { fixture in
            let (hub, client) = (fixture.hub, fixture.client)
            var spec = TaskSpec(name: "a", script: "pass", hyperParameters: ["lr": 0.1, "n": 3])
            (spec.timeout, spec.hold, spec.files) = (.seconds(60), true, [TaskFile(path: "x", data: [1])])
            (spec.tags, spec.scriptName, spec.savedResultKeys) = (["a": 1, "b": 2], "train.py", ["loss"])
            let id = try await hub.createTask(spec)
            let body =
                #"{"hyper_parameters": {"lr": 0.5}, "tags": {"b": 3}, "options": {"timeout": null, "priority": 2}}"#
            let reply = try await client.send("POST", "/v1/tasks/\(id)/rerun", body)
            #expect(reply.status == 201, "\(reply.text)")
            let made = try await hub.task(try #require(reply.json["id"]?.objectIDValue))
            #expect(made.origin == id && made.hyperParameters == ["lr": 0.5, "n": 3] && made.tags == ["a": 1, "b": 3])
            #expect(made.timeout == nil && made.priority == 2 && !made.isHeld && made.files == spec.files)
            #expect(made.name == "a" && made.scriptName == "train.py" && made.savedResultKeys == ["loss"])
            let wrong = try await client.send("POST", "/v1/tasks/\(id)/rerun", #"{"options": {"args": ["{rl}"]}}"#)
            #expect(wrong.status == 400 && wrong.text.contains("names no hyper-parameter"))
            #expect(try await hub.countTasks() == [.pending: 2])
        }
    }

    @Test func `What a newer version has to change is refused with 409`() async throws {
        try await withDirectServer { fixture in
            let id = try await fixture.hub.createTask(TaskSpec(script: "pass"))
            let tasks = fixture.hub.database.collection("Task")
            _ = try await tasks.updateMany(["_id": .objectID(id)], .pipeline([["$set": ["hub.v": 99]]]))
            let reply = try await fixture.client.send("POST", "/v1/tasks/hold", "{\"filter\": {}}")
            #expect(reply.status == 409 && reply.code == "wrong-state", "\(reply.text)")
        }
    }

    @Test func `Why a task waits and how it ended is told as facts`() async throws {
        try await withDirectServer { fixture in
            let id = try await fixture.hub.createTask(TaskSpec(name: "mnist", script: "pass"))
            _ = try await fixture.hub.holdTasks(.ids([id]))
            let held = try await fixture.client.send("GET", "/v1/tasks/\(id)/why").json
            #expect(held["status"] == "pending" && held["task_name"] == "mnist")
            #expect(held["created"]?.dateTimeValue != nil && held["time"]?.dateTimeValue != nil)
            #expect(held.value(atPath: "obstacles.0.kind") == "held")
            #expect(held.value(atPath: "obstacles.1.kind") == "no-runner")
            _ = try await fixture.hub.cancelTasks(.ids([id]), by: "ann", reason: "wrong data")
            let ended = try await fixture.client.send("GET", "/v1/tasks/\(id)/why").json
            #expect(ended["status"] == "cancelled" && ended["ended"]?.dateTimeValue != nil)
            #expect(ended.value(atPath: "cancel.by") == "ann" && ended.value(atPath: "cancel.reason") == "wrong data")
            #expect(try await fixture.client.send("GET", "/v1/tasks/\(ObjectID())/why").code == "not-found")
        }
    }

    @Test func `Output is read chunk by chunk, from a place on, with the state that was before it`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let id = try await fixture.hub.createTask(TaskSpec(script: "pass"))
            let path = "/v1/tasks/\(id)/output"
            #expect(try await client.send("GET", path).json == ["status": "pending", "attempt": 0, "chunks": []])
            let chunks = [(1, 0), (1, 1), (2, 0)].map { attempt, seq in
                OutputChunk(attempt: attempt, seq: Int64(seq), offset: Int64(seq * 3), data: [65, 0, 255])
            }
            try await fixture.hub.session().appendOutput(chunks, of: id)
            func read(_ query: String) async throws -> [BSONDocument] {
                let reply = try await client.send("GET", "\(path)?\(query)")
                return (reply.json["chunks"]?.arrayValue ?? []).compactMap(\.documentValue)
            }
            let all = try await read("")
            #expect(all.map { $0["attempt"]?.intValue } == [1, 1, 2])
            #expect(all.map { $0["offset"]?.intValue } == [0, 3, 0])
            #expect(all.allSatisfy { $0["data"]?.binaryValue?.bytes == [65, 0, 255] })
            #expect(try await read("attempt=2").count == 1)
            #expect(try await read("after=1:0&limit=1").map { $0["seq"]?.intValue } == [1])
            #expect(try await read("after=1:1").map { $0["attempt"]?.intValue } == [2])
            #expect(try await read("after=2:0").isEmpty)
            #expect(try await client.send("GET", "/v1/tasks/\(ObjectID())/output").code == "not-found")
        }
    }

    @Test func `A script reads what others printed and why they wait`() async throws {
        try await withAttemptServer { fixture, _ in
            let id = try await fixture.hub.createTask(TaskSpec(script: "pass"))
            for path in ["why", "output"] {
                let reply = try await fixture.client.send("GET", "/v1/tasks/\(id)/\(path)")
                #expect(reply.status == 200 && reply.json["status"] == "pending", "\(reply.text)")
            }
        }
    }
}
