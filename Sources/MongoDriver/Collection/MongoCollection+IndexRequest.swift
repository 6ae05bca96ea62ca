import BSON
import CLibMongoC

extension MongoCollection {
    /// Asks for indexes and waits for them no longer than that: what is not ready by then the server goes on building.
    ///
    /// Over a connection of its own, which is given up after that time; the others keep their limits, and none of the
    /// client's threads is held up for longer.
    ///
    /// - Throws: ``MongoError/Code/network`` where they are not ready by then.
    package func requestIndexes(_ indexes: [IndexModel], waiting limit: Duration) async throws(MongoError) {
        try namespace.check()
        let command = createIndexesCommand(indexes)
        let options = writeOptions
        try await core.perform(.command(command, database: namespace.database)) {
            [core, namespace] (_) throws(MongoError) in
            let uri = try MongoURI(core.uri)
            uri.set(MONGOC_URI_SOCKETTIMEOUTMS, limit)
            uri.set(MONGOC_URI_CONNECTTIMEOUTMS, min(limit, core.serverSelectionTimeout))
            uri.set(MONGOC_URI_SERVERSELECTIONTIMEOUTMS, min(limit, core.serverSelectionTimeout))
            if !uri.has(MONGOC_URI_APPNAME) { mongoc_uri_set_appname(uri.pointer, core.options.applicationName) }
            guard let client = mongoc_client_new_from_uri(uri.pointer) else {
                throw MongoError(.invalidInput, "libmongoc made no client of \(core.hosts)")
            }
            defer { mongoc_client_destroy(client) }
            mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2)
            _ = try LentClient(pointer: client, core: core).run(
                .write,
                command,
                options: options,
                database: namespace.database
            )
        }
    }
}
