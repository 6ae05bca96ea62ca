public import BSON
import CLibMongoC

/// A database of a client; nothing is sent before a call.
public struct MongoDatabase: Sendable {
    public let name: String
    let core: ClientCore
    /// How long calls through this value, and through collections made of it, go on through trouble; `nil`: not at all.
    public var patience: Patience?

    /// A collection; nothing is sent, and a name that cannot be fails at the first call.
    public func collection(_ name: String) -> MongoCollection {
        MongoCollection(namespace: Namespace(database: self.name, collection: name), core: core, patience: patience)
    }

    /// Sends a command to the primary. It is not repeated when the connection breaks, unless there is patience and it
    /// may be.
    ///
    /// - Parameter isIdempotent: Whether it does no harm when the server gets it twice.
    /// - Returns: The server's whole answer.
    @discardableResult
    public func runCommand(_ command: BSONDocument, isIdempotent: Bool = false) async throws(MongoError) -> BSONDocument
    {
        try Namespace.check(database: name)
        let action = Action.command(command, database: name)
        return try await core.perform(action, patience, isIdempotent ? .always : .ifNotDone) {
            [name] (client) throws(MongoError) in
            try client.run(.plain, command, database: name)
        }
    }

    /// Deletes the database with all its collections.
    public func drop() async throws(MongoError) {
        try await runCommand(["dropDatabase": 1])
    }

    /// The names of the collections and views, sorted.
    public func listCollectionNames() async throws(MongoError) -> [String] {
        try Namespace.check(database: name)
        return try await core.perform(.listCollections(database: name), patience, .always) {
            [name] (client) throws(MongoError) in
            guard let database = mongoc_client_get_database(client.pointer, name) else { return [] }
            defer { mongoc_database_destroy(database) }
            var error = bson_error_t()
            guard let names = mongoc_database_get_collection_names_with_opts(database, nil, &error) else {
                throw MongoError(error, reply: BSONDocument(), hosts: client.core.hosts)
            }
            defer { bson_strfreev(names) }
            var result: [String] = []
            var next = names
            while let name = next.pointee {
                result.append(String(cString: name))
                next += 1
            }
            return result.sorted()
        }
    }
}
