import BSON
import CLinux
import Console
import Glibc
import HubAPI
import Logging
import MongoDriver
import TensorHub
import UnixSignals

/// One run of `tensorhub serve`.
struct ServeSession: Sendable {
    enum Place: Sendable {
        case socket(String)
        case tcp(ListenAddress, tokenFile: String)
    }

    /// Connections to MongoDB: a client that waits for tasks holds one, and several wait at once.
    static let databaseThreads = 8
    /// Queries of clients that MongoDB works on at once, whoever has asked.
    static let queries = 4
    private static let eventLoops = 2

    let place: Place
    let tls: ServeTLS?
    let stateDirectory: String
    /// Bytes.
    let cacheLimit: Int64
    let endsWithStandardInput: Bool
    let logger: Logger

    /// - Parameter connect: Opens the hub.
    func run(_ connect: @escaping @Sendable () async throws -> Hub) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup, .sigusr1)
        let parent = getppid()
        // The pipe may be held open by a child that a killed parent has forked.
        if endsWithStandardInput { tensorhub_signal_parents_end(SIGUSR1) }
        let input = endsWithStandardInput ? EndOfInput.watch() : nil
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await serve(connect) }
            group.addTask {
                for await signal in signals {
                    // It also comes when but the thread of the parent's ends that has started this process.
                    if signal == .sigusr1, getppid() == parent { continue }
                    return
                }
            }
            if let input { group.addTask { for await _ in input {} } }
            defer { group.cancelAll() }
            try await group.next()
            group.cancelAll()
            while try await group.next() != nil {}
        }
    }

    /// Serves until cancelled.
    private func serve(_ connect: @Sendable () async throws -> Hub) async throws {
        let hub = try await connect()
        let folder = try ServeFolder(in: stateDirectory + "/serve")
        defer { folder.remove() }
        let backend = DirectBackend(
            hub: hub,
            folder: folder,
            cache: ContentCache(folder: stateDirectory + "/cache", limit: cacheLimit)
        )
        let server = APIServer(eventLoops: Self.eventLoops, logger: logger)
        let service: HTTPService
        do {
            service = try await start(server, backend)
        } catch let error as HubError where error.code == .invalidInput {
            throw CommandFailure.badInput(error.message)
        }
        await withTaskCancellationHandler {
            await service.wait()
        } onCancel: {
            // `stop` waits for what is being answered; the group around waits for this.
            Task { await service.stop() }
        }
        await service.stop()
        if !Task.isCancelled { throw CommandFailure.failure("the server's socket was closed") }
    }

    private func start(_ server: APIServer, _ backend: DirectBackend) async throws -> HTTPService {
        switch place {
        case .socket(let path):
            let service = try await server.serveLocally(backend, socketPath: path, replacesAny: false)
            announce(["socket": .string(path)])
            return service
        case .tcp(let address, let tokenFile):
            let token = try ServeToken.readOrMake(tokenFile)
            let service: HTTPService
            do {
                service = try await server.serve(
                    backend,
                    host: address.host,
                    port: address.port,
                    token: token,
                    transport: { try tls?.wrap($0) ?? $0 }
                )
            } catch  where !(error is HubError) {
                throw CommandFailure.badInput("--listen: \(address.host):\(address.port) cannot be had: \(error)")
            }
            let url = address.url(scheme: tls == nil ? "http" : "https", port: service.port ?? address.port)
            announce(["url": .string(url), "token_file": .string(tokenFile)])
            return service
        }
    }

    private func announce(_ facts: BSONDocument) { StandardOutput.line(facts.extendedJSON()) }
}
