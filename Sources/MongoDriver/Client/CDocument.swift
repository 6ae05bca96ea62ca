import BSON
import CLibMongoC

/// Memory for one `bson_t`, which Debian builds with 128 bytes at an alignment of 128 and Swift therefore cannot hold.
///
/// As input it borrows the bytes of a `BSONDocument`; as output libmongoc fills it. One thread at a time.
struct CDocument: ~Copyable {
    let pointer: OpaquePointer
    private let memory: UnsafeMutableRawPointer

    /// An empty document, ready to take a reply.
    init() {
        memory = .allocate(byteCount: 128, alignment: 128)
        pointer = OpaquePointer(memory)
        bson_init(pointer)
    }

    deinit {
        bson_destroy(pointer)
        memory.deallocate()
    }

    /// Lends the document to C for the time of `body`, without a copy.
    borrowing func lend<Value>(
        _ document: BSONDocument,
        _ body: (OpaquePointer) throws(MongoError) -> Value
    ) throws(MongoError) -> Value {
        try document.bytes.withUnsafeBufferPointer { (bytes) throws(MongoError) -> Value in
            try lend(UnsafeRawBufferPointer(bytes), body)
        }
    }

    /// Lends an encoded document to C for the time of `body`, without a copy.
    borrowing func lend<Value>(
        _ bytes: UnsafeRawBufferPointer,
        _ body: (OpaquePointer) throws(MongoError) -> Value
    ) throws(MongoError) -> Value {
        guard bson_init_static(pointer, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) else {
            throw MongoError(.invalidInput, "a document of \(bytes.count) bytes is not well-formed BSON")
        }
        defer { bson_init(pointer) }
        return try body(pointer)
    }

    /// A copy of what C wrote here.
    borrowing func copy() throws(MongoError) -> BSONDocument {
        try BSONDocument(copying: pointer)
    }
}

/// Lends one document to C.
func lend<Value>(
    _ document: BSONDocument,
    _ body: (OpaquePointer) throws(MongoError) -> Value
) throws(MongoError) -> Value {
    let memory = CDocument()
    return try memory.lend(document, body)
}

/// Lends two documents to C.
func lend<Value>(
    _ first: BSONDocument,
    _ second: BSONDocument,
    _ body: (OpaquePointer, OpaquePointer) throws(MongoError) -> Value
) throws(MongoError) -> Value {
    try lend(first) { (first) throws(MongoError) -> Value in
        try lend(second) { (second) throws(MongoError) -> Value in try body(first, second) }
    }
}

extension BSONDocument {
    /// Copies a `bson_t`: what libmongoc returns is valid only until the next call.
    init(copying document: OpaquePointer) throws(MongoError) {
        guard let data = bson_get_data(document) else { throw MongoError(.invalidDocument, "an empty pointer") }
        let length = UnsafeRawPointer(data).loadUnaligned(as: Int32.self)
        let bytes = Array(UnsafeBufferPointer(start: data, count: Int(Int32(littleEndian: length))))
        do throws(BSONError) {
            self = try BSONDocument(validatingStructureOf: bytes)
        } catch {
            throw MongoError(.invalidDocument, "a document from the server\(Self.identify(document)): \(error)")
        }
    }

    /// The `_id` of a document that does not validate, as far as libbson can read it.
    private static func identify(_ document: OpaquePointer) -> String {
        let iterator = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 128)
        defer { iterator.deallocate() }
        guard bson_iter_init_find(OpaquePointer(iterator), document, "_id"),
            bson_iter_type(OpaquePointer(iterator)) == BSON_TYPE_OID,
            let id = bson_iter_oid(OpaquePointer(iterator))
        else { return "" }
        let bytes = withUnsafeBytes(of: id.pointee) { Array($0) }
        return ObjectID(bytes: bytes).map { " with _id \($0)" } ?? ""
    }
}
