import BSON
import HTTPTypes
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

/// Short conditions by HTTP, beside filters.
@Suite(.timeLimit(.minutes(30)))
struct ShortFilterDoorTests {
    private static let doors = [
        "/v1/tasks", "/v1/tasks/unfinished", "/v1/datasets", "/v1/datasets/-", "/v1/models", "/v1/models/-",
        "/v1/logs/training", "/v1/logs/validation", "/v1/logs/testing",
    ]

    @Test func `Every door that takes a filter takes short conditions, a script's too`() async throws {
        try await withAttemptServer { fixture, _ in
            for path in Self.doors {
                // a=>1
                let wrong = try await fixture.client.send("GET", "\(path)?where=a%3D%3E1")
                #expect(wrong.status == 400 && wrong.field == "where", "\(path): \(wrong.text)")
                #expect(wrong.message?.contains("'=>' at character 2") == true, "\(path): \(wrong.text)")
                // "$where" a<1 age>1h
                let right = try await fixture.client.send("GET", "\(path)?where=%22%24where%22%20a%3C1%20age%3E1h")
                #expect([200, 404].contains(right.status), "\(path): \(right.text)")
            }
        }
    }

    @Test func `A filter and short conditions must both hold, whatever is done with what they choose`() async throws {
        try await withDirectServer { fixture in
            let (client, hub) = (fixture.client, fixture.hub)
            for lr in [0.1, 0.5, 0.9] {
                _ = try await hub.createTask(TaskSpec(script: "pass", hyperParameters: ["lr": .double(lr)]))
            }
            // lr<0.6, {"hyper_parameters.lr": {"$gt": 0.2}}
            let both = "where=lr%3C0.6&filter=%7B%22hyper_parameters.lr%22:%7B%22%24gt%22:0.2%7D%7D"
            let found = try await client.send("GET", "/v1/tasks?\(both)")
            #expect(found.array.map { $0.value(atPath: "hyper_parameters.lr") } == [0.5], "\(found.text)")
            let near = try await client.send("GET", "/v1/tasks?where=state%3Afaild")
            #expect(near.json.value(atPath: "error.suggestions") == ["failed"], "\(near.text)")

            for path in ["wait", "cancel"] {
                let wrong = try await client.send("POST", "/v1/tasks/\(path)", #"{"where": ["lr<0.2"]}"#)
                #expect(wrong.status == 400 && wrong.field == "where", "\(wrong.text)")
            }
            let wait = try await client.send("POST", "/v1/tasks/wait", #"{"where": "lr<0.2", "timeout": 0}"#)
            #expect(wait.json["done"] == false && wait.json["counts"] == ["pending": 1], "\(wait.text)")
            let cancelled = try await client.send("POST", "/v1/tasks/cancel", #"{"where": "lr<0.2"}"#)
            #expect(cancelled.json["cancelled"] == 1, "\(cancelled.text)")

            // An empty condition is nobody's way of saying all.
            #expect(try await client.send("DELETE", "/v1/tasks?where=").field == "where")
            let deleted = try await client.send("DELETE", "/v1/tasks?where=state%3Acancelled")
            #expect(deleted.json["deleted"] == 1, "\(deleted.text)")
            for path in ["datasets", "models", "logs/training"] {
                let deleted = try await client.send("DELETE", "/v1/\(path)?where=a%3C1")
                #expect(deleted.json["deleted"] == 0, "\(deleted.text)")
            }
        }
    }

    @Test func `A few words find documents of all kinds, and the answer says whether there are more`() async throws {
        try await withDirectServer { fixture in
            let (client, hub) = (fixture.client, fixture.hub)
            _ = try await hub.saveModel(nil, name: "mlp", architecture: ["a": 1], tags: ["note": "of MNIST"])
            let id = try await hub.createTask(TaskSpec(name: "mnist", script: "pass"))
            let found = try await client.send("GET", "/v1/find?q=mnist")
            let kinds = (found.json["found"]?.arrayValue ?? []).map { $0.documentValue?["kind"] }
            #expect(kinds == ["task", "model"] && found.json["more"] == false && found.json["cut"] == false)
            #expect(found.json.value(atPath: "found.0.document._id") == .objectID(id), "\(found.text)")
            let one = try await client.send("GET", "/v1/find?q=mnist&limit=1")
            #expect(one.json["found"]?.arrayValue?.count == 1 && one.json["more"] == true, "\(one.text)")
            for (query, field) in [("", "q"), ("?q=", "q"), ("?q=state%3Afaild", "q"), ("?q=a&limit=0", "limit")] {
                let wrong = try await client.send("GET", "/v1/find\(query)")
                #expect(wrong.status == 400 && wrong.field == field, "\(query): \(wrong.text)")
            }
        }
        try await withAttemptServer { fixture, _ in
            let reply = try await fixture.client.send("GET", "/v1/find?q=a")
            #expect(reply.json["found"] == [], "\(reply.text)")
        }
    }
}
