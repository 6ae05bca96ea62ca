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
    /// - Throws: What the stream throws, and `MongoError`; then nothing is left of the file where MongoDB can be
    ///   reached.
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
            // The document first: it may be there although every answer to its insertion was lost.
            _ = try? await MongoError.retrying(for: patience) { () throws(MongoError) in
                try await files.deleteOne(["_id": .objectID(id)])
                try await deleteChunks(of: .objectID(id))
            }
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

    /// Inserts the chunks of a file, two messages under way while the next is filled. A message whose answer is lost is
    /// sent again: what is there already by `files_id` and `n` is not inserted twice.
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
                let batch = idle.popLast() ?? Self.makeBatch()
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

    /// Inserts the chunks of a file whose content is read on the threads that send it: of all files that are stored at
    /// once, no more is held than what is under way.
    ///
    /// - Parameter fill: Fills the batch, on a thread that may block, one call at a time and in order; one that it
    ///   leaves not full is the last.
    package func uploadChunks(
        of id: ObjectID,
        reading fill: @escaping @Sendable (ChunkBatch) throws -> Void
    ) async throws -> Uploaded {
        try chunks.namespace.check()
        let source = UploadSource(id, fill)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<Self.lanes { group.addTask { while try await send(from: source) {} } }
            try await group.waitForAll()
        }
        return source.uploaded
    }

    /// Sends some messages, one after the other over one connection and on one thread.
    ///
    /// - Returns: Whether there may be more.
    private func send(from source: UploadSource) async throws -> Bool {
        enum End {
            case more, over
            case unsent(ChunkBatch, MongoError)
        }
        try Task.checkCancellation()
        let options = chunkOptions
        let end = try await core.transfer(.insert(chunks.namespace)) {
            [namespace = chunks.namespace] (client) throws(MongoError) in
            Result { () throws -> End in
                let batch = Self.makeBatch()
                for _ in 0..<Self.run {
                    guard try source.next(batch) else { return .over }
                    do throws(MongoError) {
                        try batch.send(by: client, to: namespace, options)
                    } catch {
                        return .unsent(batch, error)
                    }
                }
                return .more
            }
        }
        switch try end.get() {
        case .more: return true
        case .over: return false
        case .unsent(let batch, let error):
            guard error.isRetryable else { throw error.naming(.insert(chunks.namespace), by: core) }
            try await insert(batch)
            return true
        }
    }

    static func makeBatch() -> ChunkBatch {
        ChunkBatch(chunkSize: defaultChunkSize, capacity: messageSize / defaultChunkSize)
    }

    private var chunkOptions: BSONDocument {
        var options = chunks.writeOptions
        options.append("ordered", false)
        return options
    }

    func insert(_ batch: ChunkBatch) async throws(MongoError) {
        let options = chunkOptions
        try await MongoError.retrying(for: patience) { () throws(MongoError) in
            do throws(MongoError) {
                try await core.transfer(.insert(chunks.namespace)) {
                    [namespace = chunks.namespace] (client) throws(MongoError) in
                    try batch.send(by: client, to: namespace, options)
                }
            } catch {
                guard error.code == .duplicateKey else { throw error }
            }
        }
    }
}

extension ChunkBatch {
    fileprivate func send(
        by client: LentClient,
        to namespace: Namespace,
        _ options: BSONDocument
    ) throws(MongoError) {
        try client.withCollection(namespace) { (collection) throws(MongoError) in
            let bulk = try BulkWrite(client, collection, options: options)
            try forEachDocument { (document) throws(MongoError) in
                try bulk.addInsertion(of: document, options: MongoCollection.unvalidated)
            }
            _ = try bulk.execute()
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
