import BSON
import Glibc
import LocalMongo
public import MongoDriver

/// The MongoDB of a test process.
public enum TestMongo {
    /// The connection string: `$TENSORHUB_TEST_URI`, else that of one mongod that the first caller starts. It has
    /// `failCommand`; it dies with the test process, and its data directory is removed at exit.
    public static func shared() async throws -> String {
        if let uri = getenv("TENSORHUB_TEST_URI").map({ String(cString: $0) }), !uri.isEmpty { return uri }
        return try await server.value.uri
    }

    private static let server = Task {
        removeAbandoned()
        let folder = try makeTemporaryDirectory("mongod")
        removeAtExit(folder)
        return try await LocalMongoServer.start(
            dataDirectory: folder,
            extraArguments: ["--setParameter", "enableTestCommands=1"]
        )
    }

    /// Removes what test processes that were killed have left: data directories whose mongod is dead.
    private static func removeAbandoned() {
        for name in entries(temporaryRoot) where name.hasPrefix("tensorhub-mongod-") {
            let folder = "\(temporaryRoot)/\(name)"
            // Without a lock file, or with one that is new, its mongod is about to start.
            var lock = stat()
            guard stat("\(folder)/mongod.lock", &lock) == 0, time(nil) - lock.st_mtim.tv_sec > 60,
                LocalMongoServer.isFree(folder)
            else { continue }
            removeTree(folder)
        }
    }
}

/// Each new database means a dozen new indexes, all on one server.
private let databaseTurns = Turns(10)

/// Lends a client and the name of a database that no other test uses. The database is dropped afterwards. Not within
/// another one: there are turns.
public func withTestDatabase<Value>(
    options: MongoClient.Options = .init(),
    _ body: (_ client: MongoClient, _ databaseName: String) async throws -> Value
) async throws -> Value {
    try await databaseTurns.one { try await withDatabase(options, body) }
}

private func withDatabase<Value>(
    _ options: MongoClient.Options,
    _ body: (_ client: MongoClient, _ databaseName: String) async throws -> Value
) async throws -> Value {
    let client = try MongoClient(uri: try await TestMongo.shared(), options: options)
    let name = "test_\(UInt64.random(in: .min ... .max))"
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(client, name))
    } catch {
        result = .failure(error)
    }
    // A test that closes the client itself leaves its database to the end of the mongod.
    try? await client.database(name).drop()
    await client.close()
    return try result.get()
}
