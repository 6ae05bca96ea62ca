import BSON
import Glibc
import TensorHub
import TestSupport

@testable import HubAPI

/// A server and a client of it, in a folder of their own.
struct ServerFixture: Sendable {
    let client: RawClient
    let service: HTTPService
    let hub: Hub
    let folder: String
    let spool: String

    /// What waits in the spool folder.
    var spooled: [String] { entries(spool) }
}

let attemptToken = "0123456789abcdef"

/// Lends the server of an attempt.
func withAttemptServer(
    spool: String? = nil,
    _ body: (ServerFixture, NotebookBackend) async throws -> Void
) async throws {
    try await withTestHub { hub in
        try await withTemporaryDirectory { folder in
            let spool = spool ?? "\(folder)/spool"
            mkdir(spool, 0o700)
            let backend = NotebookBackend(hub, spoolFolder: spool)
            let service = try await APIServer().serveLocally(
                backend,
                socketPath: "\(folder)/s",
                token: attemptToken
            )
            let fixture = ServerFixture(
                client: RawClient(socketPath: "\(folder)/s", token: attemptToken),
                service: service,
                hub: hub,
                folder: folder,
                spool: spool
            )
            try await ending(service) { try await body(fixture, backend) }
        }
    }
}

/// Lends what `tensorhub serve` serves.
func withDirectServer(_ body: (ServerFixture) async throws -> Void) async throws {
    try await withTestHub { hub in
        try await withTemporaryDirectory { folder in
            let own = try ServeFolder(in: "\(folder)/state")
            let backend = DirectBackend(
                hub: hub,
                folder: own,
                cache: ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
            )
            let service = try await APIServer().serveLocally(backend, socketPath: "\(folder)/s")
            let fixture = ServerFixture(
                client: RawClient(socketPath: "\(folder)/s"),
                service: service,
                hub: hub,
                folder: folder,
                spool: backend.spoolFolder
            )
            try await ending(service) { try await body(fixture) }
        }
    }
}

private func ending(_ service: HTTPService, _ body: () async throws -> Void) async throws {
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    await service.stop()
    try result.get()
}
