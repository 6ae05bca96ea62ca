import BSON
import HTTPTypes
import MongoDriver
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

/// Filters and sorts of clients: what runs code on the server or writes there is refused, whatever door it comes to.
@Suite(.timeLimit(.minutes(30)))
struct QueryDoorTests {
    static let dangers = [
        #"{"$where": "while (true) {}"}"#, #"{"$or": [{"a": 1}, {"$and": [{"$where": {"$code": "sleep(1)"}}]}]}"#,
        #"{"$expr": {"$function": {"body": "function() {}", "args": [], "lang": "js"}}}"#,
        #"{"$nor": [{"$expr": {"$gt": [{"$add": [1, {"$function": {}}]}, 0]}}]}"#,
        #"{"a": {"$elemMatch": {"b": {"$not": {"$where": "1"}}}}}"#,
        #"{"$expr": {"$reduce": {"input": [], "initialValue": 0, "in": {"$accumulator": {}}}}}"#,
        #"{"$expr": {"$_internalJsEmit": {"this": {}, "eval": "function() {}"}}}"#,
        #"{"x": [[{"$out": "Task"}]]}"#, #"{"$lookup": {"pipeline": [{"$merge": {"into": "Task"}}]}}"#,
    ]

    private static let doors: [(String, String)] = [
        ("GET", "/v1/tasks"), ("GET", "/v1/tasks/unfinished"), ("GET", "/v1/datasets"), ("GET", "/v1/datasets/-"),
        ("GET", "/v1/datasets/x"), ("GET", "/v1/models"), ("GET", "/v1/models/-"), ("GET", "/v1/models/x"),
        ("GET", "/v1/logs/training"), ("GET", "/v1/logs/validation"), ("GET", "/v1/logs/testing"),
    ]
    private static let serveDoors: [(String, String)] = [
        ("DELETE", "/v1/tasks"), ("DELETE", "/v1/datasets"), ("DELETE", "/v1/models"), ("DELETE", "/v1/logs/training"),
    ]

    private func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let hex = String(byte, radix: 16, uppercase: true)
            return "%" + (hex.utf8.count == 1 ? "0" + hex : hex)
        }.joined()
    }

    private func check(_ client: RawClient, _ doors: [(String, String)], posts: [String]) async throws {
        for filter in Self.dangers {
            for (method, path) in doors {
                let reply = try await client.send(method, "\(path)?filter=\(encoded(filter))")
                #expect(reply.status == 400 && reply.code == "invalid-input", "\(method) \(path) \(filter)")
                #expect(reply.field == "filter")
            }
            for path in posts {
                let reply = try await client.send("POST", path, "{\"filter\": \(filter)}")
                #expect(reply.status == 400 && reply.field == "filter", "\(path) \(filter): \(reply.text)")
            }
        }
        for (method, path) in doors where method == "GET" && path != "/v1/tasks/unfinished" {
            let sort = encoded(#"{"a": {"$meta": {"$function": {}}}}"#)
            let reply = try await client.send(method, "\(path)?sort=\(sort)")
            #expect(reply.status == 400 && reply.field == "sort", "\(path): \(reply.text)")
        }
    }

    @Test func `No door of an attempt takes a filter or a sort that runs code on the server, however deep it hides`()
        async throws
    {
        try await withAttemptServer { fixture, _ in
            try await check(fixture.client, Self.doors, posts: ["/v1/tasks/wait"])
        }
    }

    @Test func `No door of a server takes code, those that delete and cancel least of all`() async throws {
        try await withDirectServer { fixture in
            try await check(
                fixture.client,
                Self.doors + Self.serveDoors,
                posts: ["/v1/tasks/wait", "/v1/tasks/cancel"]
            )
        }
    }

    @Test func `The answer names the operator and its place, and what looks alike is let through`() async throws {
        try await withDirectServer { fixture in
            let filter = encoded(#"{"$or": [{"a": 1}, {"$where": "1"}]}"#)
            let reply = try await fixture.client.send("GET", "/v1/logs/training?filter=\(filter)")
            #expect(reply.message?.contains("filter.$or.1.$where") == true, "\(reply.text)")
            for harmless in [
                #"{"where": 1, "a.$where": 2}"#, #"{"$expr": {"$eq": ["$out", "$merge"]}}"#,
                #"{"$jsonSchema": {"required": ["a"]}}"#, #"{"a": {"$regex": "^\\$where"}}"#, #"{"a": "$where"}"#,
            ] {
                let reply = try await fixture.client.send("GET", "/v1/logs/training?filter=\(encoded(harmless))")
                #expect(reply.status == 200, "\(harmless): \(reply.text)")
            }
        }
    }

    @Test func `A query that the server gives up is the client's to narrow, and one of too many is to be asked again`()
        async throws
    {
        try await withFailingHub { hub, failing in
            try await withTemporaryDirectory { folder in
                let backend = NotebookBackend(hub.by(.scripts), spoolFolder: folder)
                let service = try await APIServer().serveLocally(backend, socketPath: "\(folder)/s")
                let client = RawClient(socketPath: "\(folder)/s")
                try await failing(["failCommands": ["find"], "errorCode": 50], nil) {
                    let reply = try await client.send("GET", "/v1/logs/training")
                    #expect(reply.status == 400 && reply.code == "too-slow", "\(reply.text)")
                    #expect(reply.message?.contains("narrow the filter") == true)
                }
                await service.stop()
            }
        }
        let busy = APIError(HubError(.busy, "too many"))
        #expect(busy.status == 503 && busy.code == "busy")
        #expect(busy.headers[.retryAfter] == "1")
    }

    @Test(.timeLimit(.minutes(30)))
    func `A query whose connection is gone gives its turn up, and the end of an attempt waits for none`() async throws {
        try await withFailingHub { hub, failing in
            try await withTemporaryDirectory { folder in
                try await hub.saveLogs(.training, [["a": 1]])
                let scripts = hub.by(.scripts)
                let backend = NotebookBackend(scripts, spoolFolder: folder)
                let service = try await APIServer().serveLocally(backend, socketPath: "\(folder)/s")
                let client = RawClient(socketPath: "\(folder)/s")
                _ = try await client.send("GET", "/v1/logs/training")
                func waiting() -> Int { hub.client.load.reduce(0) { $0 + $1.waiting } }
                let block: BSONDocument = ["failCommands": ["find"], "blockConnection": true, "blockTimeMS": 3000]
                try await failing(block, nil) {
                    let head = client.head("GET", "/v1/logs/training", [:])
                    let connections = try await onThread {
                        let connections = try (0..<20).map { _ in try RawConnection(client.socketPath) }
                        for connection in connections { connection.write(Array(head.utf8)) }
                        return HeldConnections(connections: connections)
                    }
                    #expect(await eventually { waiting() == 15 })
                    connections.close()
                    #expect(await eventually { waiting() == 0 })
                    let others = try await onThread {
                        let connections = try (0..<20).map { _ in try RawConnection(client.socketPath) }
                        for connection in connections { connection.write(Array(head.utf8)) }
                        return HeldConnections(connections: connections)
                    }
                    #expect(await eventually { waiting() >= 12 })
                    let start = ContinuousClock.now
                    await service.stop()
                    // A dozen queries of three seconds each.
                    #expect(ContinuousClock.now - start < .seconds(20))
                    #expect(await eventually { waiting() == 0 })
                    others.close()
                }
            }
        }
    }
}
