import BSON
import Glibc
import Logging
import NIOCore
import TensorHub
import TestSupport
import Testing

@testable import HubAPI

/// Who may stay connected, and for how long.
@Suite(.timeLimit(.minutes(30)))
struct ConnectionTests {
    private func withTCPServer(
        proofLimit: TimeAmount = Doorkeeper.proofLimit,
        bodyLimit: TimeAmount = Doorkeeper.bodyLimit,
        _ body: (_ port: Int, _ service: HTTPService) async throws -> Void
    ) async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let backend = NotebookBackend(hub, spoolFolder: folder)
                let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
                let server = APIServer(proofLimit: proofLimit, bodyLimit: bodyLimit, logger: logger)
                let service = try await server.serve(backend, host: "127.0.0.1", port: 0, token: attemptToken)
                let result: Result<Void, any Error>
                do {
                    result = .success(try await body(service.port ?? 0, service))
                } catch {
                    result = .failure(error)
                }
                await service.stop()
                try result.get()
            }
        }
    }

    private static let health =
        "GET /v1/health HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer \(attemptToken)\r\n\r\n"

    private func isServed(_ port: Int) async throws -> Bool {
        try await onThread { try RawConnection(port: port).exchange(Self.health, []).status == 200 }
    }

    @Test(arguments: [
        "", "GET /v1/health HTTP/1.1\r\nHost: h", "GET /v1/health HTTP/1.1\r\nHost: hub\r\n\r\n",
        "POST /v1/logs/training HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000\r\n\r\n{",
        "GET /v1/health HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer wrong\r\n\r\n",
    ])
    func `A connection that shows no token within seconds is closed, silent or in the middle of a request`(text: String)
        async throws
    {
        try await withTCPServer(proofLimit: .milliseconds(300)) { port, service in
            let isClosed = try await onThread {
                let connection = try RawConnection(port: port)
                connection.write(Array(text.utf8))
                if let reply = try? connection.read() { return reply.status >= 400 && connection.isAtEnd() }
                return connection.isAtEnd()
            }
            #expect(isClosed)
            #expect(await eventually { service.connections == 0 })
        }
    }

    @Test func `A connection that has shown its token stays, however slowly the next request comes`() async throws {
        try await withTCPServer(proofLimit: .milliseconds(300)) { port, _ in
            let statuses = try await onThread {
                let connection = try RawConnection(port: port)
                let first = try connection.exchange(Self.health, []).status
                usleep(600_000)
                return [first, try connection.exchange(Self.health, []).status]
            }
            #expect(statuses == [200, 200])
        }
    }

    @Test func `A body whose bytes stay away is not waited for, though its head has shown the token`() async throws {
        try await withTCPServer(bodyLimit: .milliseconds(300)) { port, service in
            let isClosed = try await onThread {
                let connection = try RawConnection(port: port)
                let head =
                    "POST /v1/logs/training HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer \(attemptToken)\r\n"
                    + "Content-Length: 1000\r\n\r\n["
                connection.write(Array(head.utf8))
                return connection.isAtEnd()
            }
            #expect(isClosed)
            #expect(await eventually { service.connections == 0 })
        }
    }

    @Test func `Hundreds of connections that show nothing keep nobody out`() async throws {
        // So long that only who comes after them makes them go.
        try await withTCPServer(proofLimit: .hours(1)) { port, service in
            let flood = try await onThread {
                HeldConnections(
                    connections: try (0..<(Doorkeeper.limit + 100)).map { _ in try RawConnection(port: port) }
                )
            }
            #expect(await eventually { service.connections == Doorkeeper.loopbackLimit })
            #expect(try await isServed(port))
            #expect(try await onThread { flood.isFirstAtEnd() })
            flood.close()
            #expect(await eventually { service.connections == 0 })
        }
    }

    @Test
    func `One peer has its share, whoever shows nothing gives way first, and nobody proven is closed for another`() {
        var book = ConnectionBook<String>(limit: 4)
        #expect(book.admit(1, of: "a", share: 2) == .admitted)
        #expect(book.admit(2, of: "a", share: 2) == .admitted)
        #expect(book.admit(3, of: "a", share: 2) == .instead(of: 1))
        book.prove(2)
        book.prove(3)
        #expect(book.admit(4, of: "a", share: 2) == .refused)
        #expect(book.admit(5, of: "b", share: 2) == .admitted)
        #expect(book.admit(6, of: "c", share: 2) == .admitted)
        #expect(book.admit(7, of: "d", share: 2) == .instead(of: 5))
        book.prove(6)
        book.prove(7)
        #expect(!book.hasRoom)
        #expect(book.admit(8, of: nil, share: .max) == .refused)
        book.close(6)
        #expect(book.hasRoom && book.count == 3)
        #expect(book.admit(9, of: nil, share: .max) == .admitted)
        #expect(book.isProven(2) && !book.isProven(9) && !book.isProven(1))
        for number in 1...9 { book.close(number) }
        #expect(book.count == 0)
        #expect(book.admit(10, of: "a", share: 1) == .admitted)
    }
}
