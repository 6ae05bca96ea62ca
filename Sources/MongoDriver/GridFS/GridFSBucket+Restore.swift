package import BSON

extension GridFSBucket {
    /// Inserts those chunks of an upload again that a change of the primary has taken back.
    ///
    /// - Parameters:
    ///   - length: Of the whole content, in bytes.
    ///   - read: Puts bytes of the content from a place on into memory, on a thread that may block; 0 at the end.
    /// - Throws: Also where the content has become shorter.
    package func restoreChunks(
        of id: ObjectID,
        length: Int64,
        reading read: @escaping @Sendable (UnsafeMutableRawBufferPointer, _ offset: Int64) throws -> Int
    ) async throws {
        let stored = try await MongoError.retrying(for: patience) { () throws(MongoError) in
            try await chunks.findAll(
                ["files_id": .objectID(id)],
                FindOptions(sort: ["n": 1], projection: ["_id": 0, "n": 1])
            )
        }
        let present = Set(stored.compactMap { $0["n"]?.intValue })
        let size = Int64(Self.defaultChunkSize)
        let count = Int((length + size - 1) / size)
        var next = 0
        while let first = (next..<max(next, count)).first(where: { !present.contains($0) }) {
            try Task.checkCancellation()
            next = first + 1
            while next < count, next - first < Self.messageSize / Self.defaultChunkSize, !present.contains(next) {
                next += 1
            }
            let place = Int64(first) * size..<min(length, Int64(next) * size)
            let batch = Self.makeBatch()
            try await core.work { Result { try batch.fill(from: place, read) } }.get()
            guard batch.length == place.count else {
                throw MongoError(.corruptFile, "the content has become shorter than \(length) bytes meanwhile")
            }
            batch.seal(file: id, firstNumber: first)
            try await insert(batch)
        }
    }
}

extension ChunkBatch {
    fileprivate func fill(
        from place: Range<Int64>,
        _ read: (UnsafeMutableRawBufferPointer, Int64) throws -> Int
    ) throws {
        var position = place.lowerBound
        try fill { free in
            let room = min(free.count, Int(place.upperBound - position))
            if room == 0 { return 0 }
            let count = try read(UnsafeMutableRawBufferPointer(rebasing: free[..<room]), position)
            position += Int64(count)
            return count
        }
    }
}
