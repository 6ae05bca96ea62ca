import BSON
import Glibc
import LocalMongo
import MongoDriver
import Synchronization
import TestSupport

/// Three real mongods that elect a primary within two or three seconds.
package final class ReplicaSet: Sendable {
    private struct Node: Sendable {
        var port: Int
        var folder: String
        var process: OwnedProcess?
    }

    static let name = "chaos"

    private let nodes: Mutex<[Node]>
    private let ports: [Int]
    private let mongod: String
    private let admin: MongoClient

    private init(mongod: String, nodes: [Node], admin: MongoClient) {
        self.mongod = mongod
        self.nodes = Mutex(nodes)
        ports = nodes.map(\.port)
        self.admin = admin
    }

    /// Starts it and waits for its primary.
    package static func start(folder: String) async throws -> ReplicaSet {
        var nodes: [Node] = []
        for index in 0..<3 {
            let path = "\(folder)/node\(index)"
            mkdir(path, 0o700)
            nodes.append(Node(port: try freeLoopbackPort(), folder: path))
        }
        var options = MongoClient.Options()
        options.applicationName = "chaos"
        let uri = Self.uri(ports: nodes.map(\.port), path: "")
        let set = ReplicaSet(
            mongod: try LocalMongoServer.findMongod(),
            nodes: nodes,
            admin: try MongoClient(uri: uri, options: options)
        )
        do {
            for index in nodes.indices { try await set.start(index) }
            try await set.initiate()
            guard await eventually(within: .seconds(60), { await set.primary() != nil }) else {
                throw ChaosError("the replica set has no primary after a minute")
            }
        } catch {
            await set.stop()
            throw error
        }
        return set
    }

    /// With the names of all three: the driver finds the primary.
    package func uri(database: String) -> String { Self.uri(ports: ports, path: database) }

    private static func uri(ports: [Int], path: String) -> String {
        "mongodb://\(ports.map { "127.0.0.1:\($0)" }.joined(separator: ","))/\(path)?replicaSet=\(name)"
    }

    private func start(_ index: Int) async throws {
        let (port, folder) = nodes.withLock { ($0[index].port, $0[index].folder) }
        let process = try await OwnedProcess.start(
            [
                mongod, "--dbpath", folder, "--port", "\(port)", "--bind_ip", "127.0.0.1", "--replSet", Self.name,
                "--logpath", "\(folder)/mongod.log", "--logappend", "--quiet", "--nounixsocket",
                "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "256",
                "--setParameter", "diagnosticDataCollectionEnabled=false", "--setParameter", "enableTestCommands=1",
            ],
            output: "\(folder)/output"
        )
        nodes.withLock { $0[index].process = process }
    }

    private func initiate() async throws {
        let first = try MongoClient(uri: "mongodb://127.0.0.1:\(ports[0])/?directConnection=true")
        let members = ports.enumerated().map { index, port -> BSONValue in
            ["_id": .init(smallest: index), "host": .string("127.0.0.1:\(port)")]
        }
        let configuration: BSONDocument = [
            "_id": .string(Self.name), "version": 1, "members": .array(members),
            "settings": ["electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500],
        ]
        var failure = ""
        let isDone = await eventually(within: .seconds(60)) {
            do {
                try await first.database("admin").runCommand(["replSetInitiate": .document(configuration)])
                return true
            } catch {
                failure = "\(error)"
                // AlreadyInitialized: the reply was lost.
                return (error as? MongoError)?.serverCode == 23
            }
        }
        await first.close()
        guard isDone else { throw ChaosError("the replica set cannot be made: \(failure)") }
    }

    /// The index of the primary as the driver sees it.
    package func primary() async -> Int? {
        guard let hello = try? await admin.database("admin").runCommand(["hello": 1]),
            hello["isWritablePrimary"]?.boolValue == true, let me = hello["me"]?.stringValue
        else { return nil }
        return ports.firstIndex { me == "127.0.0.1:\($0)" }
    }

    /// kill -9 of the primary.
    ///
    /// - Returns: Which it was, for `restart(_:)`; `nil` where there was none.
    package func killPrimary() async -> Int? {
        guard let index = await primary() else { return nil }
        await nodes.withLock { $0[index].process }?.kill()
        return index
    }

    /// kill -9 of the primary and of one more: the third elects nobody until they are back.
    ///
    /// - Returns: Which they were.
    package func killMajority() async -> [Int] {
        guard let first = await primary() else { return [] }
        let killed = [first, (first + 1) % ports.count]
        for index in killed { await nodes.withLock { $0[index].process }?.kill() }
        return killed
    }

    /// Waits until the driver sees a primary.
    package func waitForPrimary() async -> Bool {
        await eventually(within: .seconds(60)) { await self.primary() != nil }
    }

    /// Starts a node again on its data.
    package func restart(_ index: Int) async throws { try await start(index) }

    /// Makes the primary step down for so many seconds. Returns what the server said against it.
    package func stepDown(seconds: Int) async -> String? {
        do {
            try await admin.database("admin").runCommand([
                "replSetStepDown": .init(smallest: seconds), "secondaryCatchUpPeriodSecs": 2, "force": true,
            ])
            return nil
        } catch {
            return "\(error)"
        }
    }

    package func stop() async {
        for process in nodes.withLock({ $0.map(\.process) }) { await process?.kill() }
        await admin.close()
    }
}
