import BSON
import Glibc
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

@Suite struct ServiceTests {
    @Test func `The socket is its user's alone, takes the place of an old file, and goes with the server`() async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                try writeFile("\(folder)/s", "left over")
                let backend = NotebookBackend(hub, spoolFolder: folder)
                let service = try await APIServer().serve(backend, socketPath: "\(folder)/s", token: nil)
                var status = stat()
                #expect(stat("\(folder)/s", &status) == 0)
                #expect(status.st_mode & S_IFMT == S_IFSOCK)
                #expect(status.st_mode & 0o777 == 0o600)
                #expect(entries(folder) == ["s"])
                await service.stop()
                #expect(entries(folder) == [])
            }
        }
    }

    @Test func `A socket's path that the system does not take is refused`() async throws {
        try await withAttemptServer { fixture, backend in
            let path = fixture.folder + "/" + String(repeating: "x", count: 108)
            let error = await #expect(throws: HubError.self) {
                try await APIServer().serve(backend, socketPath: path, token: nil)
            }
            #expect(error?.code == .invalidInput)
            #expect(error?.field == "socket")
        }
    }

    @Test func `Threads come with the first service and go with the last`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let server = APIServer()
                let backend = NotebookBackend(hub, spoolFolder: folder)
                #expect(server.hasThreads == false)
                let first = try await server.serve(backend, socketPath: "\(folder)/1", token: nil)
                let second = try await server.serve(backend, socketPath: "\(folder)/2", token: nil)
                await first.stop()
                #expect(server.hasThreads)
                #expect(try await RawClient(socketPath: "\(folder)/2").send("GET", "/v1/health").status == 200)
                await second.stop()
                #expect(await eventually { !server.hasThreads })
                let third = try await server.serve(backend, socketPath: "\(folder)/3", token: nil)
                #expect(try await RawClient(socketPath: "\(folder)/3").send("GET", "/v1/health").status == 200)
                await third.stop()
            }
        }
    }

    @Test func `The end answers a long poll at once, and what was asked before`() async throws {
        try await withAttemptServer { fixture, backend in
            async let reply = fixture.client.send("GET", "/v1/control?wait=60")
            #expect(await eventually { backend.state.withLock { $0.waiting } == 1 })
            await fixture.service.stop()
            let answer = try await reply
            #expect(answer.status == 200)
            #expect(answer.json["stop"] == false)
        }
    }

    @Test(.timeLimit(.minutes(30)))
    func `The end cancels what takes too long, and closes its connection`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let backend = NotebookBackend(hub, spoolFolder: folder)
                backend.state.withLock { $0.isSlow = true }
                let server = APIServer(endLimit: .milliseconds(20))
                let service = try await server.serveLocally(backend, socketPath: "\(folder)/s")
                let client = RawClient(socketPath: "\(folder)/s")
                let reply = Task { try await client.send("POST", "/v1/checkpoint") }
                #expect(await eventually { backend.state.withLock { $0.waiting } == 1 })
                async let again: Void = service.stop()
                await service.stop()
                await again
                #expect(backend.state.withLock { $0.waiting } == 0)
                #expect(await eventually { !server.hasThreads })
                #expect(entries(folder) == [])
                _ = try? await reply.value
            }
        }
    }

    @Test func `A service holds so many bytes of JSON and no more, and who comes then is told to come again`()
        async throws
    {
        try await withAttemptServer { fixture, backend in
            let client = fixture.client
            let half = client.head("POST", "/v1/logs/training", ["Content-Length": "\(BodyBudget.limit / 2)"])
            let holders = try await onThread {
                let holders = try (0..<2).map { _ in try RawConnection(client.socketPath) }
                for holder in holders { holder.write(Array(half.utf8)) }
                return HeldConnections(connections: holders)
            }
            var refused = RawClient.Reply()
            let isRefused = try await eventually {
                refused = try await client.send("POST", "/v1/logs/training", "{\"loss\": 1}")
                return refused.status == 503
            }
            #expect(isRefused)
            #expect(refused.code == "busy")
            #expect(refused.headers["retry-after"] == "1")
            #expect(try await client.send("GET", "/v1/task").status == 200)
            #expect(try await client.send("PUT", "/v1/results", "{\"a\": 1}").status == 503)
            #expect(try await client.send("POST", "/v1/progress", "{\"fraction\": 1}").status == 503)
            holders.close()
            #expect(
                try await eventually {
                    try await client.send("POST", "/v1/logs/training", "{\"loss\": 2}").status == 202
                }
            )
        }
    }

    @Test func `Requests of one connection are answered in order, also when all are sent at once`() async throws {
        try await withAttemptServer { fixture, backend in
            let client = fixture.client
            let statuses = try await onThread {
                let connection = try RawConnection(client.socketPath)
                for index in 0..<20 {
                    let body = "{\"step\": \(index)}"
                    let head = client.head("POST", "/v1/logs/training", ["Content-Length": "\(body.utf8.count)"])
                    connection.write(Array((head + body).utf8))
                }
                return try (0..<20).map { _ in try connection.read().status }
            }
            #expect(statuses == Array(repeating: 202, count: 20))
            let steps = backend.state.withLock { $0.logs[.training]?.map { $0["step"]?.intValue } }
            #expect(steps == (0..<20).map { $0 })
        }
    }

    @Test func `A client that expects to be told to go on is told so`() async throws {
        try await withAttemptServer { fixture, backend in
            let reply = try await fixture.client.send(
                "POST",
                "/v1/logs/training",
                "{\"a\": 1}",
                ["Expect": "100-continue"]
            )
            #expect(reply.status == 202)
        }
    }

    @Test func `What is no HTTP is answered with 400 and the end of the connection`() async throws {
        try await withAttemptServer { fixture, _ in
            let path = fixture.client.socketPath
            let (status, isAtEnd) = try await onThread {
                let connection = try RawConnection(path)
                connection.write(Array("what is this\r\n\r\n".utf8))
                return (try connection.read().status, connection.isAtEnd())
            }
            #expect(status == 400)
            #expect(isAtEnd)
            let long = try await onThread {
                let connection = try RawConnection(path)
                connection.write(Array("GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 1 << 20))".utf8))
                return try connection.read().status
            }
            #expect(long == 400)
            let client = fixture.client
            let body = try await onThread {
                let connection = try RawConnection(path)
                let head = client.head("POST", "/v1/uploads", ["Transfer-Encoding": "chunked"])
                connection.write(Array((head + "5\r\nhello\r\nno size\r\n").utf8))
                return try connection.read().status
            }
            #expect(body == 400)
            #expect(fixture.spooled == [])
            #expect(try await client.send("GET", "/v1/health").status == 200)
        }
    }
}
