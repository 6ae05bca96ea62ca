extension GridFSBucket {
    /// Brings a file's content in, two messages under way at once.
    ///
    /// - Parameters:
    ///   - write: Is given every piece with the place in the file where it begins, in no order, on several threads that may
    ///     block.
    ///   - digest: Is given every piece in order, on a thread that may block; `nil` where the order is nobody's concern.
    /// - Throws: ``MongoError`` (``MongoError/Code/corruptFile`` where a chunk is missing), or what `write` has thrown.
    package func download(
        _ file: GridFSFile,
        write: @escaping @Sendable (_ content: UnsafeRawBufferPointer, _ offset: Int64) throws -> Void,
        digest: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil
    ) async throws {
        let count = file.chunkCount
        let step = file.chunksPerReply
        let messages = (count + step - 1) / step
        try await withThrowingTaskGroup(of: (Int, ChunkReply?).self) { group in
            var started = 0
            var running = 0
            var digested = 0
            var waiting: [Int: ChunkReply?] = [:]
            while digested < messages {
                // One more than lanes: what is digested is still held.
                while running < Self.lanes, started < messages, started - digested <= Self.lanes {
                    let index = started
                    let numbers = index * step..<min(count, (index + 1) * step)
                    group.addTask {
                        let reply = try await fetch(numbers, of: file, write: write)
                        return (index, digest == nil ? nil : reply)
                    }
                    started += 1
                    running += 1
                }
                if let reply = waiting.removeValue(forKey: digested) {
                    if let reply, let digest {
                        _ = await core.work { Result { try reply.visit { content, _ in digest(content) } } }
                    }
                    digested += 1
                } else if let (index, reply) = try await group.next() {
                    waiting.updateValue(reply, forKey: index)
                    running -= 1
                }
            }
        }
    }

    /// Asks for chunks until they are there, and lets `write` see each.
    func fetch(
        _ numbers: Range<Int>,
        of file: GridFSFile,
        write: (@Sendable (_ content: UnsafeRawBufferPointer, _ offset: Int64) throws -> Void)? = nil
    ) async throws -> ChunkReply {
        try chunks.namespace.check()
        try Task.checkCancellation()
        let result = try await MongoError.retrying(for: patience) { () throws(MongoError) in
            try await core.transfer { [namespace = chunks.namespace] (client) throws(MongoError) in
                let reply = try ChunkReply(numbers, of: file, in: namespace, by: client)
                return Result { () throws -> ChunkReply in
                    if let write { try reply.visit(write) }
                    return reply
                }
            }
        }
        return try result.get()
    }

    /// The content, or a part of it, in order: piece by piece, while the next message is already under way.
    ///
    /// - Parameter range: Bytes; what lies behind the end of the file is left out.
    public func read(_ file: GridFSFile, range: Range<Int64>? = nil) -> AsyncThrowingStream<[UInt8], any Error> {
        let reader = GridFSReader(self, file, range: range ?? 0..<file.length)
        return AsyncThrowingStream { try await reader.next() }
    }
}
