import BSON
import Glibc
import MongoDriver
import Threads

/// A client that sends what it is told, right or wrong, and reads what comes. Blocks on threads of its own.
struct RawClient: Sendable {
    let socketPath: String
    var token: String?

    struct Reply: Sendable {
        var status = 0
        /// Names in lower case.
        var headers: [String: String] = [:]
        var body: [UInt8] = []

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: BSONDocument { (try? BSONDocument(extendedJSON: body)) ?? [:] }
        var array: [BSONDocument] {
            ((try? BSONValue(extendedJSON: body))?.arrayValue ?? []).compactMap(\.documentValue)
        }
        var code: String? { json.value(atPath: "error.code")?.stringValue }
        var field: String? { json.value(atPath: "error.field")?.stringValue }
        var message: String? { json.value(atPath: "error.message")?.stringValue }
    }

    struct Failure: Error { var message: String }

    // MARK: Whole requests

    func send(
        _ method: String,
        _ path: String,
        _ body: String? = nil,
        _ headers: [String: String] = [:]
    ) async throws -> Reply {
        var headers = headers
        if body != nil, headers["Content-Type"] == nil { headers["Content-Type"] = "application/json" }
        return try await send(method, path, bytes: body.map { Array($0.utf8) }, headers)
    }

    func send(
        _ method: String,
        _ path: String,
        bytes: [UInt8]?,
        _ headers: [String: String] = [:]
    ) async throws -> Reply {
        var lines = headers
        if let bytes { lines["Content-Length"] = "\(bytes.count)" }
        let head = head(method, path, lines)
        return try await onThread {
            try RawConnection(socketPath).exchange(head, bytes ?? [])
        }
    }

    func head(_ method: String, _ path: String, _ headers: [String: String]) -> String {
        var lines = headers
        if let token { lines["Authorization"] = lines["Authorization"] ?? "Bearer \(token)" }
        return "\(method) \(path) HTTP/1.1\r\nHost: hub\r\n"
            + lines.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
    }
}

/// A connection to a Unix socket. Every call blocks.
final class RawConnection {
    private let descriptor: CInt
    private var input: [UInt8] = []

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix(107)) }
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            throw RawClient.Failure(message: "\(path): \(String(cString: strerror(errno)))")
        }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// To a port of this machine.
    init(port: Int) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw RawClient.Failure(message: "\(port): \(String(cString: strerror(errno)))") }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func exchange(_ head: String, _ body: [UInt8]) throws -> RawClient.Reply {
        write(Array(head.utf8))
        // A server that does not want it has answered already.
        write(body)
        return try read()
    }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    func endWriting() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// One answer; informational ones are passed over.
    func read() throws -> RawClient.Reply {
        while true {
            let reply = try readOne()
            if reply.status >= 200 { return reply }
        }
    }

    /// Whether the server has closed the connection; waits for one or the other.
    func isAtEnd() -> Bool { input.isEmpty && !fill() }

    private func readOne() throws -> RawClient.Reply {
        var reply = RawClient.Reply()
        let status = try line()
        reply.status = Int(status.split(separator: " ").dropFirst().first ?? "") ?? 0
        while case let line = try line(), !line.isEmpty {
            let parts = line.split(separator: ":", maxSplits: 1)
            reply.headers[parts[0].lowercased()] = String(parts.last ?? "").trimmed
        }
        if reply.status < 200 || reply.status == 304 { return reply }
        if reply.headers["transfer-encoding"] == "chunked" {
            while let size = Int(try line(), radix: 16), size > 0 {
                reply.body += try bytes(size)
                _ = try line()
            }
            _ = try line()
        } else {
            reply.body = try bytes(Int(reply.headers["content-length"] ?? "") ?? 0)
        }
        return reply
    }

    private func line() throws -> String {
        while true {
            if let end = input.firstIndex(of: 0x0A) {
                let line = input[..<end].filter { $0 != 0x0D }
                input.removeSubrange(...end)
                return String(decoding: line, as: UTF8.self)
            }
            guard fill() else { throw RawClient.Failure(message: "the server has closed the connection") }
        }
    }

    private func bytes(_ count: Int) throws -> [UInt8] {
        while input.count < count {
            guard fill() else {
                throw RawClient.Failure(message: "the answer is cut off at \(input.count) of \(count)")
            }
        }
        defer { input.removeFirst(count) }
        return Array(input[..<count])
    }

    private func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count > 0 { input += chunk[..<count] }
        return count > 0
    }
}

/// Runs what blocks where nobody waits for it.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let isStarted = BlockingThread.start(name: "client") { continuation.resume(with: Result { try body() }) }
        if !isStarted { continuation.resume(throwing: RawClient.Failure(message: "no thread")) }
    }
}

extension String {
    fileprivate var trimmed: String {
        let text = drop { $0 == " " }
        return String(text)
    }
}

/// Connections that stay open for a while.
final class HeldConnections: @unchecked Sendable {
    private var connections: [RawConnection]

    init(connections: [RawConnection]) {
        self.connections = connections
    }

    /// Whether the server has closed the one that was made first; waits for that.
    func isFirstAtEnd() -> Bool { connections.first?.isAtEnd() ?? true }

    func close() { connections = [] }
}
