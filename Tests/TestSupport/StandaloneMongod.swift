import LocalMongo

/// Lends the connection string of a mongod that is no replica set.
public func withStandaloneMongod<Value>(
    _ folder: String,
    _ body: (_ uri: String) async throws -> Value
) async throws -> Value {
    let server = try await LocalMongoServer.start(dataDirectory: folder, isStandalone: true)
    let result: Result<Value, any Error>
    do {
        result = .success(try await body(server.uri))
    } catch {
        result = .failure(error)
    }
    await server.stop()
    return try result.get()
}
