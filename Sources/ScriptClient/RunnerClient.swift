import BSON
import NIOCore
import NIOHTTP1
import NIOPosix

/// Requests to the runner over the attempt's socket, each on a connection of its own: a daemon that was restarted is
/// found under the same path, and no connection is kept that it has closed.
struct RunnerClient: Sendable {
    /// Between two tries, from the first to the longest.
    static let pauses = (first: Duration.milliseconds(50), longest: Duration.seconds(2))
    /// How long nobody hears of the waiting.
    private static let quiet = Duration.seconds(10)

    let socketPath: String
    let token: String?

    /// A request that is repeated until somebody answers it.
    ///
    /// - Throws: `ScriptError` for an answer from 400 up but 503; `CancellationError`.
    func persist(_ verb: HTTPVerb, _ target: String, _ body: HTTPBody = .none) async throws -> BSONDocument {
        var pause = Self.pauses.first
        let start = ContinuousClock.now
        var isTold = false
        while true {
            do {
                return try await call(verb, target, body)
            } catch let error as ScriptError where error.isTransient {
                if !isTold, start.duration(to: .now) > Self.quiet {
                    isTold = true
                    Note.write("waiting: \(error)")
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, Self.pauses.longest)
            }
        }
    }

    /// One request.
    ///
    /// - Parameter limit: The longest that it takes; without one, as long as the runner holds the connection.
    /// - Throws: `ScriptError`, of code `unreachable` where there was no answer; `CancellationError`.
    func call(
        _ verb: HTTPVerb,
        _ target: String,
        _ body: HTTPBody = .none,
        limit: Duration? = nil
    ) async throws -> BSONDocument {
        let answer: HTTPAnswer
        do {
            answer = try await exchange(verb, target, body, limit)
        } catch let error as ScriptError {
            throw error
        } catch {
            try Task.checkCancellation()
            throw ScriptError.unreachable(socketPath, "\(error)")
        }
        guard answer.status < 400 else { throw ScriptError(answer) }
        return answer.document ?? [:]
    }

    private func exchange(
        _ verb: HTTPVerb,
        _ target: String,
        _ body: HTTPBody,
        _ limit: Duration?
    ) async throws -> HTTPAnswer {
        let connection = try await connect()
        let channel = connection.channel
        let timer = limit.map { channel.eventLoop.scheduleTask(in: TimeAmount($0)) { channel.close(promise: nil) } }
        defer { timer?.cancel() }
        let head = head(verb, target, body)
        return try await connection.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try await Self.send(head, body, outbound)
                    } catch {
                        // Nobody waits for the rest of a body then.
                        if let error = error as? ScriptError, error.code == .localFile { channel.close(promise: nil) }
                        throw error
                    }
                }
                var failure: (any Error)?
                do {
                    // A runner that does not want the body answers before its end.
                    if let answer = try await Self.receive(inbound) {
                        group.cancelAll()
                        return answer
                    }
                } catch {
                    failure = error
                }
                group.cancelAll()
                do { try await group.waitForAll() } catch let error as ScriptError { throw error } catch {}
                try Task.checkCancellation()
                throw failure ?? ScriptError.unreachable(socketPath, "it has closed the connection")
            }
        }
    }

    private func connect() async throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
        let path = try UnixSocketPath(socketPath)
        return try await ClientBootstrap(group: DeliveryThread.shared.loop)
            .connect(unixDomainSocketPath: path.address) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
    }

    private func head(_ verb: HTTPVerb, _ target: String, _ body: HTTPBody) -> HTTPRequestHead {
        var headers: HTTPHeaders = ["Host": "attempt", "Accept": "application/json", "Connection": "close"]
        if let token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let type = body.contentType {
            headers.add(name: "Content-Type", value: type)
            headers.add(name: "Content-Length", value: "\(body.length)")
        }
        let method = HTTPMethod(rawValue: verb.rawValue)
        return HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers)
    }

    private static func send(
        _ head: HTTPRequestHead,
        _ body: HTTPBody,
        _ outbound: NIOAsyncChannelOutboundWriter<HTTPClientRequestPart>
    ) async throws {
        try await outbound.write(.head(head))
        switch body {
        case .none: break
        case .json(let text): try await outbound.write(.body(.byteBuffer(ByteBuffer(string: text))))
        case .bytes(let bytes): try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
        case .file(let file):
            var offset: Int64 = 0
            while offset < file.length {
                let piece = try await file.piece(at: offset)
                offset += Int64(piece.readableBytes)
                try await outbound.write(.body(.byteBuffer(piece)))
            }
        }
        try await outbound.write(.end(nil))
    }

    /// The answer; `nil` where the connection ended before it did.
    private static func receive(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>
    ) async throws -> HTTPAnswer? {
        var answer = HTTPAnswer()
        for try await part in inbound {
            switch part {
            case .head(let head): answer.status = Int(head.status.code)
            case .body(let buffer): answer.body += buffer.readableBytesView
            case .end: return answer
            }
        }
        return nil
    }
}
