public import BSON
import CLibMongoC

extension GridFSBucket {
    /// What an upload has written.
    package struct Uploaded: Sendable {
        package var length: Int64
        package var chunks: Int
    }

    /// Stores a file: its chunks, then its document.
    ///
    /// - Parameter uploadDate: By the server's clock.
    /// - Throws: What the stream throws, and `MongoError`; then nothing is left of the file where MongoDB can be reached.
    @discardableResult
    public func upload(
        _ content: AsyncThrowingStream<[UInt8], any Error>,
        id: ObjectID = ObjectID(),
        filename: String? = nil,
        metadata: BSONDocument? = nil,
        uploadDate: BSONDateTime
    ) async throws -> GridFSFile {
        do {
            var pieces = PieceReader(content)
            let uploaded = try await uploadChunks(of: id) { try await pieces.fill($0) }
            var file = Self.document(id: id, length: uploaded.length, uploadDate: uploadDate, metadata: metadata)
            if let filename { file.append("filename", .string(filename)) }
            try await insertFile(file)
            return GridFSFile(file)
        } catch {
            _ = try? await deleteChunks(of: .objectID(id))
            throw error
        }
    }

    /// The document of a file, its fields in the order of other drivers.
    package static func document(
        id: ObjectID,
        length: Int64,
        uploadDate: BSONDateTime,
        metadata: BSONDocument?
    ) -> BSONDocument {
        var document: BSONDocument = [
            "_id": .objectID(id), "length": .int64(length), "chunkSize": .int32(Int32(defaultChunkSize)),
            "uploadDate": .dateTime(uploadDate),
        ]
        if let metadata { document.append("metadata", .document(metadata)) }
        return document
    }

    /// Inserts the document of a file; repeated after a lost answer it is there once.
    package func insertFile(_ document: BSONDocument) async throws(MongoError) {
        try await MongoError.retrying(for: patience) { () throws(MongoError) in
            do throws(MongoError) {
                try await files.insertOne(document)
            } catch {
                guard error.code == .duplicateKey, let id = document["_id"], try await file(id) != nil else {
                    throw error
                }
            }
        }
    }

    /// Inserts the chunks of a file, two messages under way while the next is filled. A message whose answer is lost is sent
    /// again: what is there already by `files_id` and `n` is not inserted twice.
    ///
    /// - Parameter fill: Fills the batch; one that it leaves not full is the last.
    package func uploadChunks(
        of id: ObjectID,
        fill: (ChunkBatch) async throws -> Void
    ) async throws -> Uploaded {
        try chunks.namespace.check()
        return try await withThrowingTaskGroup(of: ChunkBatch.self) { group in
            var uploaded = Uploaded(length: 0, chunks: 0)
            var idle: [ChunkBatch] = []
            var running = 0
            while true {
                try Task.checkCancellation()
                let batch =
                    idle.popLast()
                    ?? ChunkBatch(
                        chunkSize: Self.defaultChunkSize,
                        capacity: Self.messageSize / Self.defaultChunkSize
                    )
                batch.reset()
                try await fill(batch)
                // A stream whose reader is cancelled just ends: that is not the end of its content.
                try Task.checkCancellation()
                if batch.length == 0 { break }
                let isLast = !batch.isFull
                batch.seal(file: id, firstNumber: uploaded.chunks)
                uploaded.length += Int64(batch.length)
                uploaded.chunks += batch.count
                if running == Self.lanes, let done = try await group.next() {
                    idle.append(done)
                    running -= 1
                }
                group.addTask {
                    try await insert(batch)
                    return batch
                }
                running += 1
                if isLast { break }
            }
            while try await group.next() != nil {}
            return uploaded
        }
    }

    private func insert(_ batch: ChunkBatch) async throws(MongoError) {
        try await MongoError.retrying(for: patience) { () throws(MongoError) in
            do throws(MongoError) {
                try await send(batch)
            } catch {
                let isThere = !error.writeErrors.isEmpty && error.writeErrors.allSatisfy { $0.code == 11000 }
                guard isThere else { throw error }
            }
        }
    }

    private func send(_ batch: ChunkBatch) async throws(MongoError) {
        var options = chunks.writeOptions
        options.append("ordered", false)
        try await core.transfer { [namespace = chunks.namespace, options] (client) throws(MongoError) in
            try client.withCollection(namespace) { (collection) throws(MongoError) in
                let bulk = try BulkWrite(client, collection, options: options)
                try batch.forEachDocument { (document) throws(MongoError) in
                    try bulk.addInsertion(of: document, options: MongoCollection.unvalidated)
                }
                _ = try bulk.execute()
            }
        }
    }
}

/// Puts pieces of any size into batches.
package struct PieceReader {
    private var iterator: AsyncThrowingStream<[UInt8], any Error>.AsyncIterator
    private var piece: ArraySlice<UInt8> = []

    package init(_ content: AsyncThrowingStream<[UInt8], any Error>) {
        iterator = content.makeAsyncIterator()
    }

    /// Fills the batch, or takes what is left.
    package mutating func fill(_ batch: ChunkBatch) async throws {
        while !batch.isFull {
            if piece.isEmpty {
                guard let next = try await iterator.next(isolation: #isolation) else { return }
                piece = next[...]
            }
            let count = piece.withUnsafeBytes { batch.append($0) }
            piece = piece.dropFirst(count)
        }
    }
}
