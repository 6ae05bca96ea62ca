import BSON
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

@Suite struct AttemptRouteTests {
    @Test func `A script reads its task, saves results and progress, and says that its checkpoint is there`()
        async throws
    {
        try await withAttemptServer { fixture, backend in
            let client = fixture.client
            let health = try await client.send("GET", "/v1/health").json
            #expect(health["status"] == "ok")
            #expect(health.value(atPath: "attempt.attempt") == 2)
            #expect(health.value(atPath: "attempt.task") == .objectID(backend.id.task))
            let task = try await client.send("GET", "/v1/task")
            #expect(task.json.value(atPath: "hyper_parameters.lr") == 0.1)
            #expect(try await client.send("PUT", "/v1/results", "{\"accuracy\": NaN}").status == 200)
            #expect(
                try await client.send("POST", "/v1/progress", "{\"fraction\": 0.5, \"message\": \"half\"}").status
                    == 202
            )
            #expect(try await client.send("POST", "/v1/checkpoint", "{}").status == 202)
            #expect(try await client.send("POST", "/v1/checkpoint").status == 202)
            backend.state.withLock { state in
                #expect(state.results.first?["accuracy"]?.doubleValue?.isNaN == true)
                #expect(state.progress == [ScriptProgress(fraction: 0.5, message: "half")])
                #expect(state.checkpoints == 2)
            }
        }
    }

    @Test func `Control says whether to stop, why, and how long there is`() async throws {
        try await withAttemptServer { fixture, backend in
            #expect(
                try await fixture.client.send("GET", "/v1/control").json
                    == ["stop": false, "reason": .null, "deadline": .null]
            )
            backend.state.withLock { $0.control = ScriptControl(stop: true, reason: "drain", remaining: .seconds(12)) }
            let reply = try await fixture.client.send("GET", "/v1/control?wait=0.01").json
            #expect(reply["stop"] == true)
            #expect(reply["reason"] == "drain")
            #expect(reply["deadline"]?.doubleValue == 12)
        }
    }

    @Test func `Logs are taken one by one and in arrays, with bare words that only Python writes`() async throws {
        try await withAttemptServer { fixture, backend in
            let id = ObjectID()
            let one = try await fixture.client.send(
                "POST",
                "/v1/logs/training",
                "{\"loss\": NaN, \"_id\": {\"$oid\": \"\(id)\"}}"
            )
            #expect(one.status == 202)
            #expect(one.json == ["saved": 1])
            let many = try await fixture.client.send(
                "POST",
                "/v1/logs/testing",
                "[" + (0..<500).map { "{\"step\": \($0)}" }.joined(separator: ",") + "]"
            )
            #expect(many.json == ["saved": 500])
            #expect(try await fixture.client.send("POST", "/v1/logs/validation", "[]").json == ["saved": 0])
            backend.state.withLock { state in
                #expect(state.logs[.training]?.first?["_id"] == .objectID(id))
                #expect(state.logs[.testing]?.count == 500)
                #expect(state.logs[.validation] == nil)
            }
        }
    }

    @Test func `A data set of several uploads keeps their order, and each upload is used once`() async throws {
        try await withAttemptServer { fixture, backend in
            var tokens: [String] = []
            for text in ["first", "second"] {
                let reply = try await fixture.client.send("POST", "/v1/uploads", bytes: Array(text.utf8))
                #expect(reply.status == 201)
                #expect(reply.json["size"] == .init(smallest: text.utf8.count))
                tokens.append(try #require(reply.json["upload"]?.stringValue))
            }
            #expect(fixture.spooled.count == 2)
            let id = ObjectID()
            let body = """
                {"_id": {"$oid": "\(id)"}, "kind": "arrays", "form": "tuple", "tags": {"digits": true}, "files": [
                 {"path": "x.npy", "upload": "\(tokens[0])"}, {"path": "y/z.npy", "upload": "\(tokens[1])", "mode": 384}]}
                """
            let reply = try await fixture.client.send("PUT", "/v1/datasets/mnist", body)
            #expect(reply.status == 202)
            #expect(reply.json.value(atPath: "document._id") == .objectID(id))
            let first = backend.state.withLock { $0.saved.first }
            let saved = try #require(first)
            #expect(saved.paths == ["x.npy", "y/z.npy"])
            #expect(saved.bytes == [Array("first".utf8), Array("second".utf8)])
            #expect(saved.tags == ["digits": true])
            #expect(fixture.spooled == [])
            #expect(try await fixture.client.send("PUT", "/v1/datasets/mnist", body).code == "invalid-input")
        }
    }

    @Test func `The bytes of a model may be the body itself, and an architecture needs no bytes`() async throws {
        try await withAttemptServer { fixture, backend in
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
            let raw = try await fixture.client.send(
                "PUT",
                "/v1/models/mlp?tags=%7B%22acc%22%3A+0.9%7D&architecture=%7B%22layers%22%3A%5B800%5D%7D&file=mlp.npz",
                bytes: bytes,
                ["Content-Type": "application/x-npz"]
            )
            #expect(raw.status == 202)
            let alone = try await fixture.client.send("PUT", "/v1/models/mlp", "{\"architecture\": {\"layers\": []}}")
            #expect(alone.status == 202)
            let saved = backend.state.withLock { $0.saved }
            #expect(saved.first?.bytes == [bytes])
            #expect(saved.first?.paths == ["mlp.npz"])
            #expect(saved.first?.tags == ["acc": 0.9])
            #expect(saved.map(\.architecture) == [["layers": [800]], ["layers": []]])
        }
    }

    @Test func `Whatever part of a data set a script gets, it is fetched for the attempt, whose models name it then`()
        async throws
    {
        try await withAttemptServer { fixture, backend in
            let files = (0..<2).map { SourceFile(path: "part/\($0)", source: .bytes([UInt8($0)])) }
            try await fixture.hub.saveDataSet(Content(kind: .folder, files: files), name: "parts")
            try await fixture.hub.saveDataSet(.bytes([7], as: "one"), name: "one")
            func fetched() -> [String] {
                backend.state.withLock { state in
                    defer { state.fetched = [] }
                    return state.fetched
                }
            }
            let client = fixture.client
            #expect(try await client.send("GET", "/v1/datasets/parts?shard=1/2").body == [1])
            #expect(fetched() == ["parts"])
            #expect(try await client.send("GET", "/v1/datasets/parts?shard=0/1&file=part%2F1").body == [1])
            #expect(fetched() == ["parts"])
            let one = try await client.send("GET", "/v1/datasets/one")
            #expect(one.body == [7])
            #expect(fetched() == ["one"])
            let tag = try #require(one.headers["etag"])
            #expect(try await client.send("GET", "/v1/datasets/one", nil, ["If-None-Match": tag]).status == 304)
            #expect(fetched() == ["one"], "the script has had these bytes from somewhere")
        }
    }

    @Test func `An upload that a PUT could not use can be used again`() async throws {
        try await withAttemptServer { fixture, backend in
            let upload = try await fixture.client.send("POST", "/v1/uploads", bytes: [1, 2, 3]).json["upload"]?
                .stringValue
            let body = "{\"files\": [{\"path\": \"a\", \"upload\": \"\(upload ?? "")\"}]}"
            backend.state.withLock { $0.refusal = HubError(.unreachable, "MongoDB is away") }
            let refused = try await fixture.client.send("PUT", "/v1/datasets/a", body)
            #expect(refused.status == 503)
            #expect(refused.code == "unreachable")
            #expect(try await fixture.client.send("PUT", "/v1/datasets/a", bytes: [1, 2]).status == 503)
            #expect(fixture.spooled.count == 1)
            backend.state.withLock { $0.refusal = nil }
            #expect(try await fixture.client.send("PUT", "/v1/datasets/a", body).status == 202)
            #expect(fixture.spooled == [])
        }
    }
}
