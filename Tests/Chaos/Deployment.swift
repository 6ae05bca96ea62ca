import BSON
import Glibc
import LocalMongo
import MongoDriver
import Synchronization
import TestSupport

/// The MongoDB of a trial.
package final class Deployment: Sendable {
    package enum Kind: Sendable, Hashable, CaseIterable {
        /// The mongod that all tests share: nothing may be done to it.
        case shared
        /// A mongod of its own, with one node.
        case single
        /// Three nodes.
        case replicaSet
    }

    package let kind: Kind
    package let replicaSet: ReplicaSet?
    private let folder: String
    private let server: Mutex<LocalMongoServer?>
    private let sharedURI: String

    private init(kind: Kind, folder: String, server: LocalMongoServer?, set: ReplicaSet?, sharedURI: String) {
        self.kind = kind
        self.folder = folder
        self.server = Mutex(server)
        replicaSet = set
        self.sharedURI = sharedURI
    }

    private static let arguments = ["--setParameter", "enableTestCommands=1"]

    package static func start(_ kind: Kind, folder: String) async throws -> Deployment {
        let path = "\(folder)/mongod"
        switch kind {
        case .shared:
            let uri = try await TestMongo.shared()
            return Deployment(kind: kind, folder: path, server: nil, set: nil, sharedURI: uri)
        case .single:
            let server = try await LocalMongoServer.start(dataDirectory: path, extraArguments: arguments)
            return Deployment(kind: kind, folder: path, server: server, set: nil, sharedURI: "")
        case .replicaSet:
            let set = try await ReplicaSet.start(folder: folder)
            return Deployment(kind: kind, folder: path, server: nil, set: set, sharedURI: "")
        }
    }

    /// For the trial itself, past every proxy.
    package func uri(database: String) async throws -> String {
        if let replicaSet { return replicaSet.uri(database: database) }
        if kind == .shared { return try await TestMongo.uri(database: database) }
        return "mongodb://127.0.0.1:\(port)/\(database)?directConnection=true"
    }

    /// Where a proxy leads to: the one node. Of no meaning for a replica set.
    package var port: Int {
        if let server = server.withLock({ $0 }) { return server.port }
        let digits = sharedURI.split(separator: "127.0.0.1:").last?.prefix { $0.isNumber } ?? ""
        return Int(digits) ?? 0
    }

    /// SIGSTOP and SIGCONT of the one node.
    package func freeze() { server.withLock { $0.map { _ = Glibc.kill($0.pid, SIGSTOP) } } }
    package func thaw() { server.withLock { $0.map { _ = Glibc.kill($0.pid, SIGCONT) } } }

    /// Whether nothing has ended it; of the one node.
    package var isRunning: Bool { server.withLock { $0?.isRunning } ?? true }

    /// kill -9 of the one node; it stays away until `restart()`.
    package func kill() async { await server.withLock { $0 }?.kill() }

    /// Starts the one node again, on its data and its port.
    package func restart() async throws {
        let port = port
        let server = try await LocalMongoServer.start(
            dataDirectory: folder,
            port: port,
            extraArguments: Self.arguments
        )
        self.server.withLock { $0 = server }
    }

    package func stop() async {
        thaw()
        await server.withLock { $0 }?.kill()
        await replicaSet?.stop()
    }
}
