import BSON
import CLibMongoC

/// One bulk operation of libmongoc: it sends document sequences, splits them by the server's limits, and repeats a
/// message of single-document statements once when the connection breaks.
struct BulkWrite: ~Copyable {
    private let pointer: OpaquePointer
    private let client: LentClient
    /// Borrows one document after the other; libmongoc copies each into the message.
    private let first = CDocument()
    private let second = CDocument()
    private let options: CDocument

    init(_ client: LentClient, _ collection: OpaquePointer, options: BSONDocument) throws(MongoError) {
        let pointer = try lend(options) { mongoc_collection_create_bulk_operation_with_opts(collection, $0) }
        guard let pointer else { throw MongoError(.invalidInput, "libmongoc made no bulk operation") }
        self.pointer = pointer
        self.client = client
        self.options = CDocument()
    }

    deinit { mongoc_bulk_operation_destroy(pointer) }

    /// What every server up to now stores at most. It refuses a larger document too, but with a code that says nothing.
    static let maxDocumentSize = 16 << 20

    enum Statement {
        case insert(BSONDocument)
        case updateOne(BSONDocument, BSONDocument)
        case updateMany(BSONDocument, BSONDocument)
        case replaceOne(BSONDocument, BSONDocument)
        case deleteOne(BSONDocument)
        case deleteMany(BSONDocument)
    }

    /// Adds a statement. libmongoc's own validation is off where `statementOptions` say so: the server's is what
    /// counts.
    borrowing func add(_ statement: Statement, options statementOptions: BSONDocument) throws(MongoError) {
        switch statement {
        case .insert(let document), .replaceOne(_, let document):
            guard document.bytes.count <= Self.maxDocumentSize else {
                throw MongoError(
                    .invalidInput,
                    "a document of \(document.bytes.count) bytes is larger than the server's limit of 16 MiB"
                )
            }
        default: break
        }
        var error = bson_error_t()
        let isAdded = try options.lend(statementOptions) { (options) throws(MongoError) -> Bool in
            switch statement {
            case .insert(let document):
                return try first.lend(document) {
                    mongoc_bulk_operation_insert_with_opts(pointer, $0, options, &error)
                }
            case .updateOne(let filter, let update):
                return try lendBoth(filter, update) {
                    mongoc_bulk_operation_update_one_with_opts(pointer, $0, $1, options, &error)
                }
            case .updateMany(let filter, let update):
                return try lendBoth(filter, update) {
                    mongoc_bulk_operation_update_many_with_opts(pointer, $0, $1, options, &error)
                }
            case .replaceOne(let filter, let replacement):
                return try lendBoth(filter, replacement) {
                    mongoc_bulk_operation_replace_one_with_opts(pointer, $0, $1, options, &error)
                }
            case .deleteOne(let filter):
                return try first.lend(filter) {
                    mongoc_bulk_operation_remove_one_with_opts(pointer, $0, options, &error)
                }
            case .deleteMany(let filter):
                return try first.lend(filter) {
                    mongoc_bulk_operation_remove_many_with_opts(pointer, $0, options, &error)
                }
            }
        }
        guard isAdded else { throw MongoError(error, reply: BSONDocument(), hosts: client.core.hosts) }
    }

    /// Adds the insertion of a document that lies encoded in memory.
    borrowing func addInsertion(
        of document: UnsafeRawBufferPointer,
        options statementOptions: BSONDocument
    ) throws(MongoError) {
        var error = bson_error_t()
        let isAdded = try options.lend(statementOptions) { (options) throws(MongoError) -> Bool in
            try first.lend(document) { mongoc_bulk_operation_insert_with_opts(pointer, $0, options, &error) }
        }
        guard isAdded else { throw MongoError(error, reply: BSONDocument(), hosts: client.core.hosts) }
    }

    /// Sends everything. Throws when a statement was refused; the error's `reply` counts what was done.
    borrowing func execute() throws(MongoError) -> BSONDocument {
        let reply = CDocument()
        var error = bson_error_t()
        let server = mongoc_bulk_operation_execute(pointer, reply.pointer, &error)
        return try client.check(server != 0, error, reply)
    }

    private borrowing func lendBoth(
        _ one: BSONDocument,
        _ other: BSONDocument,
        _ body: (OpaquePointer, OpaquePointer) throws(MongoError) -> Bool
    ) throws(MongoError) -> Bool {
        try first.lend(one) { (one) throws(MongoError) -> Bool in
            try second.lend(other) { (other) throws(MongoError) -> Bool in try body(one, other) }
        }
    }
}
