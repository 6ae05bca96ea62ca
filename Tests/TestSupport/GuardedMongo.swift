import BSON
import Glibc
import LocalMongo
public import MongoDriver

/// A mongod of the test process that asks for a user and a password, as a team's does. Made by the first caller.
public enum GuardedMongo {
    static let server = Task {
        let folder = try makeTemporaryDirectory("mongod")
        removeAtExit(folder)
        let key = try makeTemporaryDirectory("key")
        removeAtExit(key)
        try writeFile("\(key)/key", "dGhlIGtleSBvZiB0aGUgdGVzdHM\n")
        chmod("\(key)/key", 0o600)
        // The set and its administrator are made while nobody is asked.
        let open = try await LocalMongoServer.start(dataDirectory: folder)
        let client = try MongoClient(uri: open.uri)
        try await client.database("admin").runCommand([
            "createUser": "root", "pwd": .string(rootPassword), "roles": ["root"],
        ])
        await client.close()
        await open.stop()
        return try await LocalMongoServer.start(
            dataDirectory: folder,
            port: open.port,
            login: "root:\(rootPassword)",
            extraArguments: ["--keyFile", "\(key)/key", "--setParameter", "enableTestCommands=1"]
        )
    }

    static let rootPassword = "r00t-of-the-tests"
}

/// A database on the guarded server, its administrator's client, and the users that a test makes.
public struct GuardedDatabase: Sendable {
    /// May do everything.
    public let client: MongoClient
    public let name: String
    let port: Int

    public var database: MongoDatabase { client.database(name) }

    /// The connection string of a user of this database; of nobody without one.
    public func uri(_ user: String? = nil, _ password: String = "", scheme: String = "mongodb://") -> String {
        let login = user.map { "\(Self.encoded($0)):\(Self.encoded(password))@" } ?? ""
        return "\(scheme)\(login)127.0.0.1:\(port)/\(name)?replicaSet=tensorhub"
    }

    /// Of the administrator.
    public var rootURI: String {
        "mongodb://root:\(GuardedMongo.rootPassword)@127.0.0.1:\(port)/\(name)?replicaSet=tensorhub&authSource=admin"
    }

    /// Makes a user with a role of the same name.
    ///
    /// - Parameter rights: Actions by collection; `""` stands for all collections.
    public func createUser(_ user: String, _ password: String, rights: [String: [String]]) async throws {
        try await database.runCommand(["createRole": .string(user), "privileges": privileges(rights), "roles": []])
        try await database.runCommand([
            "createUser": .string(user), "pwd": .string(password), "roles": [.string(user)],
        ])
    }

    public func grant(_ user: String, _ rights: [String: [String]]) async throws {
        try await database.runCommand(["grantPrivilegesToRole": .string(user), "privileges": privileges(rights)])
    }

    public func revoke(_ user: String, _ rights: [String: [String]]) async throws {
        try await database.runCommand(["revokePrivilegesFromRole": .string(user), "privileges": privileges(rights)])
    }

    private func privileges(_ rights: [String: [String]]) -> BSONValue {
        .array(
            rights.map { collection, actions in
                [
                    "resource": ["db": .string(name), "collection": .string(collection)],
                    "actions": .array(actions.map(BSONValue.string)),
                ]
            }
        )
    }

    /// Every byte that is no letter or digit as an escape.
    public static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            let hex = String(byte, radix: 16, uppercase: true)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (hex.utf8.count == 1 ? "0" : "") + hex
        }.joined()
    }
}

/// Lends a database of the guarded server, dropped with its users afterwards.
public func withGuardedDatabase<Value>(_ body: (GuardedDatabase) async throws -> Value) async throws -> Value {
    let server = try await GuardedMongo.server.value
    let name = "test_\(UInt64.random(in: .min ... .max))"
    let uri =
        "mongodb://root:\(GuardedMongo.rootPassword)@127.0.0.1:\(server.port)/?replicaSet=tensorhub&authSource=admin"
    let guarded = GuardedDatabase(client: try MongoClient(uri: uri), name: name, port: server.port)
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(guarded))
    } catch {
        result = .failure(error)
    }
    _ = try? await guarded.database.runCommand(["dropAllUsersFromDatabase": 1])
    _ = try? await guarded.database.runCommand(["dropAllRolesFromDatabase": 1])
    try? await guarded.database.drop()
    await guarded.client.close()
    return try result.get()
}
