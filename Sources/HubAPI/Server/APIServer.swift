import Files
import Glibc
package import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
public import TensorHub
import Threads

/// The API of scripts and of `tensorhub serve`: HTTP/1.1 and JSON, on a Unix socket or over TCP, over a
/// `ScriptBackend`.
///
/// All services of a server share its threads, which are there as long as one of them is, and a little longer.
public final class APIServer: ScriptServer {
    /// How long bytes that were uploaded, and what was fetched, wait to be used, under `tensorhub serve`.
    static let unusedLimit: Duration = .seconds(3600)

    private let threads: ServerThreads
    private let endLimit: Duration
    private let proofLimit: TimeAmount
    private let bodyLimit: TimeAmount
    private let logger: Logger

    /// - Parameters:
    ///   - eventLoops: Threads for connections; one is enough for the scripts of a machine.
    ///   - endLimit: How long an answer may take once its service is to stop; then it is broken off.
    public convenience init(
        eventLoops: Int = 1,
        endLimit: Duration = .seconds(10),
        logger: Logger = Logger(label: "tensorhub", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        self.init(eventLoops: eventLoops, endLimit: endLimit, proofLimit: Doorkeeper.proofLimit, logger: logger)
    }

    /// - Parameters:
    ///   - proofLimit: How long a connection may take to show that it may be there.
    ///   - bodyLimit: How long the bytes of a body may stay away.
    init(
        eventLoops: Int = 1,
        endLimit: Duration = .seconds(10),
        proofLimit: TimeAmount,
        bodyLimit: TimeAmount = Doorkeeper.bodyLimit,
        logger: Logger
    ) {
        self.proofLimit = proofLimit
        self.bodyLimit = bodyLimit
        threads = ServerThreads(count: eventLoops)
        self.endLimit = endLimit
        self.logger = logger
    }

    /// Whether any service runs.
    var hasThreads: Bool { threads.areThere }

    public func serve(
        _ backend: any ScriptBackend,
        socketPath: String,
        token: String?
    ) async throws -> any ScriptService {
        try await serveLocally(backend, socketPath: socketPath, token: token)
    }

    /// - Parameter replacesAny: Whether whatever is at the path is replaced; else only a socket that nobody listens on.
    /// - Throws: `HubError.invalidInput` where the socket cannot be made.
    package func serveLocally(
        _ backend: any ScriptBackend,
        socketPath: String,
        token: String? = nil,
        replacesAny: Bool = true
    ) async throws -> HTTPService {
        let socket = try PrivateSocket(socketPath, replacesAny: replacesAny)
        let service = try await start(
            backend,
            token: token,
            isLocal: true,
            at: .unixDomainSocket(path: socket.bindPath)
        )
        do {
            service.adopt(try socket.publish())
        } catch {
            await service.stop()
            throw error
        }
        return service
    }

    /// Serves over TCP until `stop()`.
    ///
    /// - Parameters:
    ///   - port: 0 takes a free one; the service says which.
    ///   - transport: Puts TLS around the connections.
    /// - Throws: `HubError.invalidInput` where the port is taken or cannot be had.
    package func serve(
        _ backend: any ScriptBackend,
        host: String,
        port: Int,
        token: String,
        transport: @Sendable (HTTP1Channel) throws -> any ServerChildChannel = { $0 }
    ) async throws -> HTTPService {
        do {
            return try await start(
                backend,
                token: token,
                isLocal: false,
                at: .hostname(host, port: port),
                transport: transport
            )
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw HubError(
                .invalidInput,
                field: "listen",
                "listen: another program listens on \(host):\(port) already; end it, name another port, or 0 for a free one"
            )
        } catch let error as IOError where error.errnoCode == EACCES || error.errnoCode == EADDRNOTAVAIL {
            let reason = FileError.reason(error.errnoCode)
            throw HubError(
                .invalidInput,
                field: "listen",
                "listen: \(host):\(port) cannot be had: \(reason); name an address of this machine and a port from 1024 on"
            )
        }
    }

    private func start(
        _ backend: any ScriptBackend,
        token: String?,
        isLocal: Bool,
        at address: BindAddress,
        transport: @Sendable (HTTP1Channel) throws -> any ServerChildChannel = { $0 }
    ) async throws -> HTTPService {
        let lease = threads.acquire()
        let uploads = Uploads(folder: backend.spoolFolder)
        let api = APIResponder(
            backend: backend,
            token: token,
            isLocal: isLocal,
            uploads: uploads,
            stop: Signal(),
            doorkeeper: Doorkeeper(proofLimit: proofLimit, bodyLimit: bodyLimit),
            disk: lease.disk,
            logger: logger
        )
        var expiry: RepeatedTask?
        if let unused = backend.unused {
            expiry = lease.eventLoops.next().scheduleRepeatedTask(initialDelay: .minutes(5), delay: .minutes(5)) { _ in
                lease.disk.submit { _ in
                    uploads.removeUnused(for: Self.unusedLimit)
                    unused.removeUnused(for: Self.unusedLimit)
                }
            }
        }
        let cleanUp: @Sendable () async -> Void = { [threads, expiry] in
            expiry?.cancel()
            uploads.removeAll()
            threads.release()
        }
        do {
            return try await HTTPService.start(
                api,
                at: address,
                on: lease,
                endLimit: endLimit,
                transport: transport,
                cleanUp: cleanUp
            )
        } catch {
            await cleanUp()
            throw error
        }
    }
}
