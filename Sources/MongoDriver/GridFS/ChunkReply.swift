import BSON
import CLibMongoC

/// The answer to a query for chunks, as it came: their contents are read where they lie.
///
/// `@unchecked Sendable`: one thread has written it, and after that it is only read.
final class ChunkReply: @unchecked Sendable {
    private let reply: CDocument
    /// The chunks that were asked for.
    let numbers: Range<Int>
    private let file: GridFSFile

    /// Asks for the chunks. One message each way; no cursor stays behind.
    ///
    /// - Throws: ``MongoError/Code/corruptFile`` where the answer is not those chunks, whole.
    init(
        _ numbers: Range<Int>,
        of file: GridFSFile,
        in namespace: Namespace,
        by client: LentClient
    ) throws(MongoError) {
        self.numbers = numbers
        self.file = file
        reply = CDocument()
        let command: BSONDocument = [
            "find": .string(namespace.collection),
            "filter": [
                "files_id": file.id,
                "n": ["$gte": .init(smallest: numbers.lowerBound), "$lt": .init(smallest: numbers.upperBound)],
            ],
            "sort": ["n": 1], "limit": .init(smallest: numbers.count), "batchSize": .init(smallest: numbers.count),
            "singleBatch": true,
        ]
        var error = bson_error_t()
        let preference = mongoc_read_prefs_new(MONGOC_READ_PRIMARY)
        defer { mongoc_read_prefs_destroy(preference) }
        let pointer = reply.pointer
        let isDone = try lend(command) { (command) throws(MongoError) -> Bool in
            mongoc_client_read_command_with_opts(
                client.pointer,
                namespace.database,
                command,
                preference,
                nil,
                pointer,
                &error
            )
        }
        guard isDone else {
            throw MongoError(error, reply: (try? reply.copy()) ?? BSONDocument(), hosts: client.core.hosts)
        }
        var next = numbers.lowerBound
        try walk { (number, content) throws(MongoError) in
            guard number == next, content.count == file.size(ofChunk: number) else {
                throw Self.fault(file, "chunk \(next) is missing or has a wrong length")
            }
            next += 1
        }
        guard next == numbers.upperBound else { throw Self.fault(file, "chunk \(next) is missing") }
    }

    /// The contents in order, each with the place in the file where it begins.
    func visit(_ body: (_ content: UnsafeRawBufferPointer, _ offset: Int64) throws -> Void) throws {
        let size = Int64(file.chunkSize)
        var failure: (any Error)?
        try walk { (number, content) throws(MongoError) in
            guard failure == nil else { return }
            do { try body(content, Int64(number) * size) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func walk(
        _ body: (_ number: Int, _ content: UnsafeRawBufferPointer) throws(MongoError) -> Void
    ) throws(MongoError) {
        let outer = CIterator()
        let batch = CIterator()
        let chunk = CIterator()
        let field = CIterator()
        guard bson_iter_init_find(outer.pointer, reply.pointer, "cursor"),
            bson_iter_recurse(outer.pointer, batch.pointer), bson_iter_find(batch.pointer, "firstBatch"),
            bson_iter_recurse(batch.pointer, chunk.pointer)
        else { throw MongoError(.invalidDocument, "the answer to find has no cursor.firstBatch") }
        while bson_iter_next(chunk.pointer) {
            guard bson_iter_recurse(chunk.pointer, field.pointer), bson_iter_find(field.pointer, "n") else {
                throw Self.fault(file, "a chunk has no n")
            }
            let number = Int(bson_iter_as_int64(field.pointer))
            guard bson_iter_recurse(chunk.pointer, field.pointer), bson_iter_find(field.pointer, "data"),
                bson_iter_type(field.pointer) == BSON_TYPE_BINARY
            else { throw Self.fault(file, "chunk \(number) has no data") }
            var count: UInt32 = 0
            var bytes: UnsafePointer<UInt8>?
            bson_iter_binary(field.pointer, nil, &count, &bytes)
            try body(number, UnsafeRawBufferPointer(start: bytes, count: Int(count)))
        }
    }

    private static func fault(_ file: GridFSFile, _ what: String) -> MongoError {
        let id = file.id.objectIDValue.map { "\($0)" } ?? "\(file.id)"
        return MongoError(.corruptFile, "GridFS file \(id): \(what)")
    }
}

/// Memory for one `bson_iter_t`, which Swift cannot hold (see `CDocument`). One thread at a time.
struct CIterator: ~Copyable {
    let pointer: OpaquePointer
    private let memory: UnsafeMutableRawPointer

    init() {
        memory = .allocate(byteCount: 128, alignment: 128)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: 128)
        pointer = OpaquePointer(memory)
    }

    deinit { memory.deallocate() }
}
