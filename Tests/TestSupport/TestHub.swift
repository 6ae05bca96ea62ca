public import BSON
public import MongoDriver
public import TensorHub

/// Lends a hub on a database of its own, dropped afterwards.
@discardableResult
public func withTestHub<Value>(
    project: String = Hub.defaultProject,
    _ body: (Hub) async throws -> Value
) async throws -> Value {
    try await withTestDatabase { _, name in
        try await Hub.withHub(uri: try await TestMongo.uri(database: name), project: project, body)
    }
}

/// What `withFailCommand` takes, for one hub: the data of the fail point, how many commands fail, what runs meanwhile.
public typealias FailingHub = (
    _ data: BSONDocument, _ times: Int?, _ body: () async throws -> Void
) async throws -> Void

/// Lends a hub on a database of its own, and what makes the server fail commands of that hub alone.
public func withFailingHub(
    patience: Patience? = nil,
    _ body: (_ hub: Hub, _ failing: FailingHub) async throws -> Void
) async throws {
    try await withTestDatabase { admin, name in
        var options = MongoClient.Options()
        options.applicationName = "hub-\(UInt64.random(in: 0 ... .max))"
        let hub = try await Hub.connect(
            uri: try await TestMongo.uri(database: name),
            options: options,
            patience: patience
        )
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await body(hub) { data, times, body in
                    try await withFailCommand(
                        data,
                        applicationName: options.applicationName,
                        times: times,
                        client: admin,
                        body
                    )
                }
            )
        } catch {
            result = .failure(error)
        }
        await hub.close()
        try result.get()
    }
}

extension TestMongo {
    /// The shared server's URI with a database in its path, for programs that get a URI alone.
    public static func uri(database: String) async throws -> String {
        let uri = try await shared()
        let scheme = "mongodb://"
        let rest = uri.dropFirst(scheme.count)
        let hosts = rest.prefix { $0 != "/" && $0 != "?" }
        let query = rest.firstIndex(of: "?").map { rest[$0...] } ?? ""
        return "\(scheme)\(hosts)/\(database)\(query)"
    }
}

extension Hub {
    /// Writes a task document as it is, as another program would.
    public func insertForeignTask(_ document: BSONDocument) async throws {
        try await database.collection("Task").insertOne(document)
    }
}

extension Hub {
    /// A runner that a test makes up.
    package func session(
        _ runner: ObjectID = ObjectID(),
        name: String = "gpu-1",
        host: String? = nil,
        lease: Duration = .seconds(60)
    ) -> RunnerSession {
        RunnerSession(self, runner: runner, name: name, host: host, lease: lease)
    }
}
