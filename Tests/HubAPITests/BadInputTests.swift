import BSON
import Glibc
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

@Suite struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var method: String
        var path: String
        var body: String?
        var status: Int
        var code: String
        var field: String?

        init(
            _ method: String,
            _ path: String,
            _ body: String? = nil,
            _ status: Int,
            _ code: String,
            _ field: String? = nil
        ) {
            self.method = method
            self.path = path
            self.body = body
            self.status = status
            self.code = code
            self.field = field
        }

        var testDescription: String { "\(method) \(path) \(body ?? "")" }
    }

    static let everywhere = [
        Case("POST", "/v1/logs/training", "{\"loss\": 0.5", 400, "bad-json"),
        Case("POST", "/v1/logs/training", "0.5", 400, "bad-json"),
        Case("POST", "/v1/logs/training", "[{}, 3]", 400, "bad-json"),
        Case("POST", "/v1/logs/training", "", 400, "bad-json"),
        Case("POST", "/v1/logs/training", "{\"a\": {\"$oid\": \"xyz\"}}", 400, "bad-json"),
        Case("POST", "/v1/logs/daily", "{}", 404, "not-found"),
        Case("GET", "/v1/logs/training?filter=%7B", nil, 400, "invalid-input", "filter"),
        Case(
            "GET",
            "/v1/logs/training?filter=%7B%22a%22%3A%7B%22%24nosuch%22%3A1%7D%7D",
            nil,
            400,
            "invalid-input",
            "filter"
        ),
        Case("GET", "/v1/logs/training?sort=", nil, 400, "invalid-input", "sort"),
        Case("GET", "/v1/logs/training?sort=%7B%7D", nil, 400, "invalid-input", "sort"),
        Case("GET", "/v1/logs/training?limit=0", nil, 400, "invalid-input", "limit"),
        Case("GET", "/v1/logs/training?limit=99999999999999999999", nil, 400, "invalid-input", "limit"),
        Case("GET", "/v1/logs/training?fliter=%7B%7D", nil, 400, "invalid-input", "fliter"),
        Case("GET", "/v1/logs/training?filter=%zz", nil, 400, "invalid-input", "query"),
        Case("GET", "/v1/nothing", nil, 404, "not-found"),
        Case("GET", "/v1/health/", nil, 404, "not-found"),
        Case("PUT", "/v1/health", "{}", 405, "method-not-allowed"),
        Case("HEAD", "/v1/uploads", nil, 405, "method-not-allowed"),
        Case("GET", "/v1/datasets/a%2Fb", nil, 400, "bad-name", "name"),
        Case("GET", "/v1/datasets/a%00b", nil, 400, "bad-name", "name"),
        Case("GET", "/v1/datasets/%ff", nil, 400, "bad-name", "name"),
        Case("GET", "/v1/datasets/%4", nil, 400, "bad-name", "name"),
        Case("GET", "/v1/datasets/..", nil, 400, "bad-name", "name"),
        Case("PUT", "/v1/datasets/-", "{\"files\": []}", 400, "bad-name", "name"),
        Case("GET", "/v1/datasets/nothing", nil, 404, "not-found"),
        Case("GET", "/v1/datasets/nothing?version=x", nil, 400, "invalid-input", "version"),
        Case("GET", "/v1/datasets/nothing?version=0", nil, 400, "invalid-input", "version"),
        Case("GET", "/v1/datasets/nothing?shard=4/4", nil, 400, "bad-shard", "shard"),
        Case("GET", "/v1/datasets/nothing?shard=a", nil, 400, "bad-shard", "shard"),
        Case("GET", "/v1/models/nothing?stage=production", nil, 404, "not-found"),
        Case(
            "PUT",
            "/v1/datasets/a",
            "{\"files\": [{\"path\": \"a\", \"upload\": \"nothing\"}]}",
            400,
            "invalid-input",
            "files"
        ),
        Case(
            "PUT",
            "/v1/datasets/a",
            "{\"files\": [{\"path\": \"../a\", \"upload\": \"x\"}]}",
            400,
            "invalid-input",
            "files"
        ),
        Case("PUT", "/v1/datasets/a", "{\"files\": []}", 400, "invalid-input", "files"),
        Case("PUT", "/v1/datasets/a", "{\"fils\": []}", 400, "invalid-input", "fils"),
        Case("PUT", "/v1/datasets/a", "[]", 400, "bad-json"),
        Case("PUT", "/v1/datasets/a?tags=3", "{}", 400, "invalid-input", "files"),
        Case("PUT", "/v1/models/a", "{\"_id\": 3}", 400, "invalid-input", "_id"),
        Case("PUT", "/v1/models/a", "{\"architecture\": 3}", 400, "invalid-input", "architecture"),
        Case("GET", "/v1/tasks/xyz", nil, 400, "invalid-input", "id"),
        Case("GET", "/v1/tasks/000000000000000000000000", nil, 404, "not-found"),
        Case("POST", "/v1/tasks/wait", "{\"timeout\": 61}", 400, "invalid-input", "timeout"),
        Case("POST", "/v1/tasks/wait", "{\"ids\": [0]}", 400, "invalid-input", "ids"),
        Case("GET", "/v1/tasks/xyz/why", nil, 400, "invalid-input", "id"),
        Case("GET", "/v1/tasks/xyz/output", nil, 400, "invalid-input", "id"),
        Case("GET", "/v1/tasks/000000000000000000000000/output?after=1", nil, 400, "invalid-input", "after"),
        Case("GET", "/v1/tasks/000000000000000000000000/output?after=1:x", nil, 400, "invalid-input", "after"),
        Case("GET", "/v1/tasks/000000000000000000000000/output?attempt=0", nil, 400, "invalid-input", "attempt"),
        Case("GET", "/v1/tasks/000000000000000000000000/output?limit=65", nil, 400, "invalid-input", "limit"),
    ]

    static let inAttempt = [
        Case("POST", "/v1/progress", "{\"fraction\": 1.5}", 400, "invalid-input", "fraction"),
        Case("POST", "/v1/progress", "{\"fraction\": NaN}", 400, "invalid-input", "fraction"),
        Case("POST", "/v1/progress", "{\"message\": 3}", 400, "invalid-input", "message"),
        Case("POST", "/v1/progress", "{\"procent\": 3}", 400, "invalid-input", "procent"),
        Case("GET", "/v1/control?wait=61", nil, 400, "invalid-input", "wait"),
        Case("GET", "/v1/control?wait=nan", nil, 400, "invalid-input", "wait"),
        Case("PUT", "/v1/results", "[]", 400, "bad-json"),
        Case("POST", "/v1/tasks", "{\"script\": \"x\"}", 403, "read-only"),
        Case("DELETE", "/v1/datasets?filter=%7B%7D", nil, 403, "read-only"),
        Case("DELETE", "/v1/logs/training?filter=%7B%7D", nil, 403, "read-only"),
        Case("PUT", "/v1/models/a/stages/production", nil, 403, "read-only"),
        Case("POST", "/v1/tasks/retry", "{\"filter\": {}}", 403, "read-only"),
        Case("POST", "/v1/tasks/hold", "{\"filter\": {}}", 403, "read-only"),
        Case("POST", "/v1/tasks/release", "{\"filter\": {}}", 403, "read-only"),
        Case("POST", "/v1/tasks/set", "{\"filter\": {}, \"tags\": {\"a\": 1}}", 403, "read-only"),
        Case("POST", "/v1/tasks/000000000000000000000000/rerun", "{}", 403, "read-only"),
    ]

    static let inServe = [
        Case("GET", "/v1/task", nil, 409, "not-in-attempt"),
        Case("PUT", "/v1/results", "{}", 409, "not-in-attempt"),
        Case("POST", "/v1/progress", "{}", 409, "not-in-attempt"),
        Case("GET", "/v1/control", nil, 409, "not-in-attempt"),
        Case("POST", "/v1/checkpoint", nil, 409, "not-in-attempt"),
        Case("POST", "/v1/logs/training", "{\"time\": 3}", 400, "reserved-field"),
        Case("POST", "/v1/logs/training", "{\"hub\": 3}", 400, "reserved-field"),
        Case("DELETE", "/v1/logs/training", nil, 400, "invalid-input", "filter"),
        Case("DELETE", "/v1/logs/training?filter=%7B%22%24nosuch%22%3A1%7D", nil, 400, "invalid-input", "filter"),
        Case("DELETE", "/v1/datasets?filter=%7B%22%24nosuch%22%3A1%7D", nil, 400, "invalid-input", "filter"),
        Case("DELETE", "/v1/tasks?filter=%7B%22%24nosuch%22%3A1%7D", nil, 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/cancel", "{\"filter\": {\"$nosuch\": 1}}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/wait", "{\"filter\": {\"$nosuch\": 1}}", 400, "invalid-input", "filter"),
        Case("GET", "/v1/tasks/unfinished?filter=%7B%22%24nosuch%22%3A1%7D", nil, 400, "invalid-input", "filter"),
        Case("DELETE", "/v1/tasks", nil, 400, "invalid-input", "filter"),
        Case("DELETE", "/v1/models", nil, 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/cancel", "{}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/cancel", "{\"reason\": \"x\"}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/cancel", "{\"name\": null, \"ids\": null}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/cancel", "{\"filter\": null}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/retry", "{}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/hold", "{\"ids\": null}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/release", "{\"reason\": \"x\"}", 400, "invalid-input", "reason"),
        Case("POST", "/v1/tasks/set", "{\"tags\": {\"a\": 1}}", 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks/set", "{\"filter\": {}}", 400, "invalid-input", "options"),
        Case("POST", "/v1/tasks/set", "{\"filter\": {}, \"options\": {\"lr\": 1}}", 400, "invalid-input", "lr"),
        Case("POST", "/v1/tasks/set", "{\"filter\": {}, \"priority\": 1}", 400, "invalid-input", "priority"),
        Case("POST", "/v1/tasks/set", "{\"filter\": {}, \"tags\": 3}", 400, "invalid-input", "tags"),
        Case(
            "POST",
            "/v1/tasks/set",
            "{\"filter\": {}, \"remove_tags\": [\"hub\"]}",
            400,
            "reserved-field",
            "tags.hub"
        ),
        Case("POST", "/v1/tasks/x/rerun", "{}", 400, "invalid-input", "id"),
        Case("POST", "/v1/tasks/000000000000000000000000/rerun", "{}", 404, "not-found"),
        Case("POST", "/v1/tasks/000000000000000000000000/rerun", "{\"lr\": 1}", 400, "invalid-input", "lr"),
        Case("DELETE", "/v1/models?version=1", nil, 400, "invalid-input", "name"),
        Case("DELETE", "/v1/datasets?version=1&filter=%7B%7D", nil, 400, "invalid-input", "name"),
        Case("DELETE", "/v1/datasets?force=true", nil, 400, "invalid-input", "filter"),
        Case("POST", "/v1/tasks", "{}", 400, "invalid-input", "script"),
        Case("POST", "/v1/tasks", "{\"script\": 3}", 400, "invalid-input", "script"),
        Case("POST", "/v1/tasks", "{\"script\": \"x\", \"lr\": 3}", 400, "invalid-input", "lr"),
        Case(
            "POST",
            "/v1/tasks",
            "[{\"script\": \"x\"}, {\"script\": \"x\", \"hold\": 1}]",
            400,
            "invalid-input",
            "1.hold"
        ),
        Case("POST", "/v1/tasks", "{\"script\": \"x\", \"tags\": {\"status\": 1}}", 400, "invalid-input"),
        Case("POST", "/v1/tasks", "{\"script\": \"x\", \"rules\": [\"exit\"]}", 400, "invalid-input", "rules"),
        Case("PUT", "/v1/models/a/stages/production", nil, 404, "not-found"),
    ]

    @Test func `What is wrong is answered with a code, a sentence and the field, in an attempt`() async throws {
        try await withAttemptServer { fixture, backend in
            try await check(Self.everywhere + Self.inAttempt, fixture)
            backend.state.withLock { state in
                #expect(state.logs.isEmpty)
                #expect(state.saved.isEmpty)
                #expect(state.results.isEmpty)
            }
        }
    }

    @Test func `What is wrong is answered with a code, a sentence and the field, under serve`() async throws {
        try await withDirectServer { fixture in
            try await check(Self.everywhere + Self.inServe, fixture)
            #expect(try await fixture.hub.findTasks().isEmpty)
        }
    }

    private func check(_ cases: [Case], _ fixture: ServerFixture) async throws {
        for item in cases {
            let reply = try await fixture.client.send(item.method, item.path, item.body)
            #expect(reply.status == item.status, "\(item.testDescription): \(reply.text)")
            if item.method == "HEAD" { continue }
            #expect(reply.code == item.code, "\(item.testDescription): \(reply.text)")
            if let field = item.field { #expect(reply.field == field, "\(item.testDescription): \(reply.text)") }
            #expect((reply.message ?? "").count > 10)
            #expect(reply.headers["content-type"] == "application/json")
        }
        #expect(fixture.spooled == [])
    }

    @Test func `Another attempt's token is refused, and so is none`() async throws {
        try await withAttemptServer { fixture, backend in
            let client = RawClient(socketPath: fixture.client.socketPath)
            let none = try await client.send("POST", "/v1/logs/training", "{}")
            #expect(none.status == 401)
            #expect(none.code == "unauthorized")
            #expect(none.headers["www-authenticate"] == "Bearer")
            for other in ["Bearer 0123456789abcdee", "Bearer x", "bearer 0123456789abcdef0"] {
                let reply = try await client.send("POST", "/v1/logs/training", "{}", ["Authorization": other])
                #expect(reply.status == 403)
                #expect(reply.code == "other-attempt")
            }
            #expect(backend.state.withLock { $0.logs.isEmpty })
            #expect(try await fixture.client.send("POST", "/v1/logs/training", "{}").status == 202)
        }
    }

    @Test
    func
        `A body of JSON over 16 MiB is refused, whether or not it says its length, and the connection is of use still`()
        async throws
    {
        try await withAttemptServer { fixture, backend in
            let client = fixture.client
            let size = APIRequest.jsonLimit + 1
            let codes = try await onThread {
                let connection = try RawConnection(client.socketPath)
                let body = [UInt8](repeating: 0x20, count: size)
                let type = ["Content-Type": "application/json"]
                let announced = type.merging(["Content-Length": "\(size)"]) { $1 }
                let first = try connection.exchange(client.head("POST", "/v1/logs/training", announced), body)
                let chunked = type.merging(["Transfer-Encoding": "chunked"]) { $1 }
                connection.write(Array(client.head("POST", "/v1/logs/training", chunked).utf8))
                connection.write(Array("\(String(size, radix: 16))\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8))
                let second = try connection.read()
                let third = try connection.exchange(client.head("GET", "/v1/health", [:]), [])
                return [first.code ?? "", second.code ?? "", "\(first.status)", "\(third.status)"]
            }
            #expect(codes == ["too-large", "too-large", "413", "200"])
            #expect(backend.state.withLock { $0.logs.isEmpty })
        }
    }

    @Test func `Bytes with another hash than was said are refused, and nothing is kept`() async throws {
        try await withAttemptServer { fixture, backend in
            let wrong = String(repeating: "0", count: 64)
            for (method, path) in [("POST", "/v1/uploads"), ("PUT", "/v1/datasets/a"), ("PUT", "/v1/models/a")] {
                let reply = try await fixture.client.send(method, path, bytes: [1, 2, 3], ["Content-SHA256": wrong])
                #expect(reply.status == 409)
                #expect(reply.code == "hash-mismatch")
                let odd = try await fixture.client.send(method, path, bytes: [1, 2, 3], ["Content-SHA256": "abc"])
                #expect(odd.code == "invalid-input")
            }
            #expect(fixture.spooled == [])
            #expect(backend.state.withLock { $0.saved.isEmpty })
            let right = SHA256.hex(of: [1, 2, 3])
            let reply = try await fixture.client.send(
                "POST",
                "/v1/uploads",
                bytes: [1, 2, 3],
                ["Content-SHA256": right]
            )
            #expect(reply.status == 201)
            #expect(reply.json["sha256"] == .string(right))
        }
    }

    @Test(arguments: [true, false])
    func `An upload whose connection breaks leaves nothing`(isChunked: Bool) async throws {
        try await withAttemptServer { fixture, backend in
            let client = fixture.client
            for isHalfClosed in [false, true] {
                let connection = try await onThread {
                    let connection = try RawConnection(client.socketPath)
                    let length = isChunked ? ["Transfer-Encoding": "chunked"] : ["Content-Length": "5000000"]
                    connection.write(Array(client.head("PUT", "/v1/datasets/a", length).utf8))
                    if isChunked { connection.write(Array("100000\r\n".utf8)) }
                    connection.write([UInt8](repeating: 1, count: 1_000_000))
                    return Transferred(connection)
                }
                #expect(await eventually { fixture.spooled.count == 1 })
                if isHalfClosed { connection.take()?.endWriting() } else { _ = connection.take() }
                #expect(await eventually { fixture.spooled == [] })
            }
            #expect(backend.state.withLock { $0.saved.isEmpty })
        }
    }

    @Test(.enabled(if: SmallDisk.obstacle == nil))
    func `A full disk is answered with 507, and nothing is kept`() async throws {
        try await withTemporaryDirectory { folder in
            let disk = try SmallDisk(at: "\(folder)/disk")
            defer { disk.remove() }
            try await withAttemptServer(spool: disk.path) { fixture, _ in
                let client = fixture.client
                let announced = try await client.send(
                    "POST",
                    "/v1/uploads",
                    bytes: [UInt8](repeating: 1, count: 9 << 20)
                )
                #expect(announced.status == 507)
                #expect(announced.code == "no-space")
                let chunked = try await onThread {
                    let connection = try RawConnection(client.socketPath)
                    connection.write(
                        Array(client.head("POST", "/v1/uploads", ["Transfer-Encoding": "chunked"]).utf8)
                    )
                    connection.write(Array("\(String(9 << 20, radix: 16))\r\n".utf8))
                    connection.write([UInt8](repeating: 1, count: 9 << 20))
                    connection.write(Array("\r\n0\r\n\r\n".utf8))
                    return try connection.read()
                }
                #expect(chunked.status == 507)
                #expect(chunked.code == "no-space")
                #expect(fixture.spooled == [])
                #expect(try await client.send("POST", "/v1/uploads", bytes: [1]).status == 201)
            }
        }
    }
}

/// A connection that one thread at a time has.
private final class Transferred: @unchecked Sendable {
    private var connection: RawConnection?

    init(_ connection: RawConnection) {
        self.connection = connection
    }

    func take() -> RawConnection? { connection.take() }
}
