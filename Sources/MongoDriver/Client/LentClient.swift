import BSON
import CLibMongoC

/// A `mongoc_client_t` for the time of one job. It must not leave the closure that it is lent to.
struct LentClient {
    let pointer: OpaquePointer
    let core: ClientCore

    /// The calls of libmongoc that send one command: they differ in what is retried and where it goes.
    enum CommandKind {
        /// To a server that the read preference allows; repeated once when the connection breaks.
        case read
        /// To the primary; `findAndModify` is repeated once when the connection breaks.
        case write
        /// To the primary, and never repeated.
        case plain
    }

    /// Sends a command and copies the reply. A reply with refused statements, or with an unmet write concern, throws.
    func run(
        _ kind: CommandKind,
        _ command: BSONDocument,
        options: BSONDocument = BSONDocument(),
        database: String
    ) throws(MongoError) -> BSONDocument {
        let reply = CDocument()
        var error = bson_error_t()
        let isDone = try lend(command, options) { (command, options) throws(MongoError) -> Bool in
            switch kind {
            case .read:
                mongoc_client_read_command_with_opts(pointer, database, command, nil, options, reply.pointer, &error)
            case .write:
                mongoc_client_write_command_with_opts(pointer, database, command, options, reply.pointer, &error)
            case .plain:
                mongoc_client_command_with_opts(pointer, database, command, nil, options, reply.pointer, &error)
            }
        }
        return try check(isDone, error, reply)
    }

    /// Lends a collection's handle.
    func withCollection<Value>(
        _ namespace: Namespace,
        _ body: (OpaquePointer) throws(MongoError) -> Value
    ) throws(MongoError) -> Value {
        guard let collection = mongoc_client_get_collection(pointer, namespace.database, namespace.collection) else {
            throw MongoError(.invalidInput, "\(namespace.database).\(namespace.collection) cannot be opened")
        }
        defer { mongoc_collection_destroy(collection) }
        return try body(collection)
    }

    /// The reply of a call that is done, or the one error that its parts add up to.
    func check(_ isDone: Bool, _ error: bson_error_t, _ reply: borrowing CDocument) throws(MongoError) -> BSONDocument {
        guard isDone else {
            // Of a failed call the reply is a supplement: whatever it is, the error counts.
            let document = (try? reply.copy()) ?? BSONDocument()
            throw MongoError(error, reply: document, hosts: core.hosts)
        }
        let document = try reply.copy()
        if let failure = MongoError(failureIn: document) { throw failure }
        return document
    }

    /// The error of a cursor; `nil` when it has none.
    func failure(of cursor: OpaquePointer) -> MongoError? {
        var error = bson_error_t()
        var document: OpaquePointer?
        guard mongoc_cursor_error_document(cursor, &error, &document) else { return nil }
        let reply = document.flatMap { try? BSONDocument(copying: $0) } ?? BSONDocument()
        return MongoError(error, reply: reply, hosts: core.hosts)
    }

    /// Reads up to `count` documents, or up to 1 MiB of them: fewer mean the end.
    func read(_ cursor: OpaquePointer, upTo count: Int) throws(MongoError) -> CursorChunk {
        var chunk = CursorChunk()
        var size = 0
        var document: OpaquePointer?
        while chunk.documents.count < count, size < 1 << 20 {
            guard mongoc_cursor_next(cursor, &document), let document else {
                if let failure = failure(of: cursor) { chunk.failure = failure }
                chunk.isLast = true
                return chunk
            }
            let copy = Result { () throws(MongoError) -> BSONDocument in try BSONDocument(copying: document) }
            if case .success(let document) = copy { size += document.bytes.count }
            chunk.documents.append(copy)
        }
        return chunk
    }
}

/// A part of what a cursor yields.
struct CursorChunk: Sendable {
    var documents: [Result<BSONDocument, MongoError>] = []
    /// Behind the documents there are no more, or there is the failure.
    var isLast = false
    var failure: MongoError?
}

/// A database and a collection whose names the server can have.
struct Namespace: Sendable, Hashable {
    var database: String
    var collection: String

    /// - Throws: ``MongoError/Code/invalidInput``: libmongoc takes C strings and trusts them.
    func check() throws(MongoError) {
        try Self.check(database: database)
        guard !collection.isEmpty, !collection.utf8.contains(0), !collection.bytes.contains("$"),
            database.utf8.count + 1 + collection.utf8.count <= 255
        else {
            throw MongoError(.invalidInput, "\"\(collection)\" cannot be the name of a collection")
        }
    }

    static func check(database: String) throws(MongoError) {
        guard (1...63).contains(database.utf8.count), !database.utf8.contains(where: { "\0/\\. \"$".utf8.contains($0) })
        else {
            throw MongoError(.invalidInput, "\"\(database)\" cannot be the name of a database")
        }
    }
}
