public import BSON
import MongoDriver
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
