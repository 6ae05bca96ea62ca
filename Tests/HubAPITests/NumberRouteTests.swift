import BSON
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

/// Numbers wherever HTTP names tasks.
@Suite struct NumberRouteTests {
    @Test func `Tasks are created with numbers and the account, and are called by the numbers`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            let two = #"[{"script": "pass", "name": "a"}, {"script": "pass"}]"#
            let made = try await client.send("POST", "/v1/tasks", two, ["Tensorhub-Account": "ann"])
            #expect(made.status == 201 && made.json["numbers"] == [1, 2] && made.json["ids"]?.arrayValue?.count == 2)
            let one = try await client.send("POST", "/v1/tasks", #"{"script": "pass"}"#)
            #expect(one.json["numbers"] == [3])
            let stored = try await fixture.hub.findTasks(sort: .ascending("hub.number"))
            #expect(stored.map(\.submit) == [1, 1, 3])
            #expect(stored.map(\.account) == ["ann", "ann", CurrentUser.name])

            let task = try await client.send("GET", "/v1/tasks/2")
            #expect(task.json["_id"] == stored[1].document["_id"])
            #expect(task.json["hub"]?.documentValue?["number"] == 2)
            #expect(try await client.send("GET", "/v1/tasks/2/why").json["number"] == 2)
            #expect(try await client.send("GET", "/v1/tasks/2/output").json["status"] == "pending")
            let id = try #require(stored[0].id)
            let ids = "{\"ids\": [{\"$oid\": \"\(id)\"}, 2, \"3..9\"]}"
            #expect(try await client.send("POST", "/v1/tasks/hold", ids).json == ["held": 3])
            let range = #"{"where": "id:2..3"}"#
            #expect(try await client.send("POST", "/v1/tasks/release", range).json == ["released": 2])
            let found = try await client.send("GET", "/v1/tasks?where=id:1")
            #expect(found.text.contains("\(id)") && !found.text.contains("\(stored[1].id ?? id)"))
        }
    }

    @Test func `What is no task is an error that says so, and nothing is changed`() async throws {
        try await withDirectServer { fixture in
            let client = fixture.client
            _ = try await fixture.hub.createTask(TaskSpec(script: "pass"))
            for (path, code) in [
                ("5", "not-found"), ("x", "bad-id"), ("0", "bad-id"), ("@last", "bad-id"), ("1..200001", "bad-id"),
            ] {
                let reply = try await client.send("GET", "/v1/tasks/\(path)")
                #expect(reply.status == (code == "not-found" ? 404 : 400), "\(path): \(reply.text)")
            }
            for ids in ["[7]", "[1, 7]", "[1.5]", "[null]", "[\"x\"]", "[\"3..2\"]", "[-1]"] {
                let reply = try await client.send("POST", "/v1/tasks/cancel", "{\"ids\": \(ids)}")
                #expect([400, 404].contains(reply.status), "\(ids): \(reply.text)")
            }
            #expect(try await fixture.hub.countTasks() == [.pending: 1])
            let long = String(repeating: "a", count: 300)
            let refused = try await client.send(
                "POST",
                "/v1/tasks",
                #"{"script": "pass"}"#,
                ["Tensorhub-Account": long]
            )
            #expect(refused.status == 400 && refused.text.contains("account"))
        }
    }
}
