import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Synchronization
import TensorHub
import Threads

/// A server that runs, on a socket of either kind.
package final class HTTPService: ScriptService {
    /// How long what an answer waits for may take to end once it was cancelled: a call to MongoDB that is under way.
    static let cancelLimit: Duration = .seconds(5)
    /// How long a connection may be silent between requests, or in the middle of one.
    static let idleLimit: TimeAmount = .minutes(10)
    /// How long a client may take nothing of what it has asked for.
    static let stallLimit: TimeAmount = .seconds(60)
    /// Where it listens: a port of TCP; `nil` for a Unix socket.
    package let port: Int?
    private let api: APIResponder
    private let endLimit: Duration
    private let busy: OpenConnections
    private let run: Task<Void, Never>
    private let shutDown: @Sendable () async throws -> Void
    private let cleanUp: @Sendable () async -> Void
    private let stopping = Mutex<Task<Void, Never>?>(nil)
    private let socket = Mutex<PublishedSocket?>(nil)

    private init(
        port: Int?,
        api: APIResponder,
        endLimit: Duration,
        connections: OpenConnections,
        run: Task<Void, Never>,
        shutDown: @escaping @Sendable () async throws -> Void,
        cleanUp: @escaping @Sendable () async -> Void
    ) {
        self.port = port
        self.api = api
        self.endLimit = endLimit
        busy = connections
        self.run = run
        self.shutDown = shutDown
        self.cleanUp = cleanUp
    }

    /// Returns when it listens.
    ///
    /// - Parameters:
    ///   - endLimit: How long an answer may take once the server is to end.
    ///   - transport: Puts TLS around the connections.
    @concurrent
    static func start(
        _ api: APIResponder,
        at address: BindAddress,
        on threads: ServerThreads.Lease,
        endLimit: Duration,
        transport: @Sendable (HTTP1Channel) throws -> any ServerChildChannel,
        cleanUp: @escaping @Sendable () async -> Void
    ) async throws -> HTTPService {
        let connections = OpenConnections()
        let doorkeeper = api.doorkeeper
        let child = HTTP1Channel(
            responder: { request, writer, channel in
                connections.begin(channel)
                defer { connections.end(channel) }
                var api = api
                api.peer = doorkeeper.connection(of: channel)
                try await api.respond(to: request, writer)
            },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [
                    ConnectionGuard(doorkeeper), StalledWriteHandler(limit: stallLimit),
                ],
                idleTimeout: idleLimit
            )
        )
        return try await start(
            transport(child),
            api,
            ServerConfiguration(
                address: address,
                availableConnectionsDelegate: Intake(doorkeeper: doorkeeper)
            ),
            on: threads,
            endLimit: endLimit,
            connections: connections,
            cleanUp: cleanUp
        )
    }

    @concurrent
    private static func start(
        _ child: some ServerChildChannel,
        _ api: APIResponder,
        _ configuration: ServerConfiguration,
        on threads: ServerThreads.Lease,
        endLimit: Duration,
        connections: OpenConnections,
        cleanUp: @escaping @Sendable () async -> Void
    ) async throws -> HTTPService {
        let (started, start) = AsyncThrowingStream.makeStream(of: Int?.self)
        var logger = api.logger
        logger.logLevel = max(.warning, logger.logLevel)
        let server = Server(
            childChannelSetup: child,
            configuration: configuration,
            onServerRunning: { start.yield($0.localAddress?.port) },
            eventLoopGroup: threads.eventLoops,
            logger: logger
        )
        // The service owns it: `stop` waits for it.
        let run = Task {
            do {
                try await server.run()
                start.finish()
            } catch {
                start.finish(throwing: error)
            }
        }
        var iterator = started.makeAsyncIterator()
        guard let port = try await iterator.next() else { throw CancellationError() }
        return HTTPService(
            port: port,
            api: api,
            endLimit: endLimit,
            connections: connections,
            run: run,
            shutDown: { try await server.shutdownGracefully() },
            cleanUp: cleanUp
        )
    }

    /// Connections on which a request is being answered.
    var requestsUnderWay: Int { busy.count }

    /// Connections, with those that do nothing.
    var connections: Int { api.doorkeeper.count }

    /// Removes that file at the end.
    func adopt(_ socket: PublishedSocket) { self.socket.withLock { $0 = socket } }

    /// Answers what is under way, for a while; then cancels it and closes its connections. Returns within bounded time,
    /// whatever a request waits for. Every call waits for the same end.
    package func stop() async {
        let stopping = stopping.withLock { stopping in
            // Not the caller's task: that may be cancelled, and its patience is ours.
            let task = stopping ?? Task { await self.end() }
            stopping = task
            return task
        }
        await stopping.value
    }

    private func end() async {
        api.stop.set()
        // The script is dead: whoever asks still is something that it has left behind.
        if api.isAttempt { api.doorkeeper.giveUpQueries() }
        let ending = Task {
            // It fails only where the listening socket was closed already.
            try? await shutDown()
            await run.value
        }
        if await !Self.ends(ending, within: endLimit) {
            busy.closeAll()
            // Downloads, locks and what waits for MongoDB end by it.
            run.cancel()
            if await !Self.ends(ending, within: Self.cancelLimit) {
                socket.withLock { $0 }?.remove()
                // The threads stay for as long as somebody is on them.
                Task {
                    await ending.value
                    await cleanUp()
                }
                return
            }
        }
        socket.withLock { $0 }?.remove()
        await cleanUp()
    }

    private static func ends(_ task: Task<Void, Never>, within limit: Duration) async -> Bool {
        let (results, result) = AsyncStream.makeStream(of: Bool.self)
        Task {
            await task.value
            result.yield(true)
        }
        let timer = Task {
            if (try? await Task.sleep(for: limit)) != nil { result.yield(false) }
        }
        defer { timer.cancel() }
        for await hasEnded in results { return hasEnded }
        return false
    }

    /// Returns when it ends by `stop`, or because its socket failed.
    package func wait() async { await run.value }
}

/// The connections on which a request is being answered.
private final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    func begin(_ channel: any Channel) { channels.withLock { $0[ObjectIdentifier(channel)] = channel } }

    func end(_ channel: any Channel) { channels.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) } }

    var count: Int { channels.withLock { $0.count } }

    func closeAll() { for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) } }
}
