extension GridFSBucket {
    /// Brings a file's content in, two messages under way at once.
    ///
    /// - Parameters:
    ///   - write: Is given every piece with the place in the file where it begins, in no order, on several threads that
    ///     may block.
    ///   - digest: Is given every piece in order, on a thread that may block; `nil` where the order is nobody's
    ///     concern.
    /// - Throws: ``MongoError`` (``MongoError/Code/corruptFile`` where a chunk is missing), or what `write` has thrown.
    package func download(
        _ file: GridFSFile,
        write: @escaping @Sendable (_ content: UnsafeRawBufferPointer, _ offset: Int64) throws -> Void,
        digest: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil
    ) async throws {
        try chunks.namespace.check()
        let count = file.chunkCount
        let step = file.chunksPerReply
        let messages = (count + step - 1) / step
        let order = DownloadOrder(messages: messages, window: Self.window, digest: digest)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<min(Self.lanes, messages) {
                group.addTask {
                    do {
                        while await order.hasMore() { try await run(order, of: file, write: write) }
                    } catch {
                        order.end()
                        throw error
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Brings some messages, one after the other on one connection and one thread.
    private func run(
        _ order: DownloadOrder,
        of file: GridFSFile,
        write: @escaping @Sendable (_ content: UnsafeRawBufferPointer, _ offset: Int64) throws -> Void
    ) async throws {
        let count = file.chunkCount
        let step = file.chunksPerReply
        try Task.checkCancellation()
        let result = try await MongoError.retrying(for: patience) { () throws(MongoError) in
            try await core.transfer(.read(chunks.namespace)) {
                [namespace = chunks.namespace] (client) throws(MongoError) in
                for brought in 0..<Self.run {
                    guard let message = order.take() else { break }
                    let reply: ChunkReply
                    do throws(MongoError) {
                        let numbers = message * step..<min(count, (message + 1) * step)
                        reply = try ChunkReply(numbers, of: file, in: namespace, by: client)
                    } catch {
                        order.giveBack(message)
                        // After progress, patience begins anew.
                        if brought > 0, error.isRetryable { break }
                        throw error
                    }
                    do {
                        try reply.visit(write)
                        try order.deliver(message, reply)
                    } catch {
                        return Result<Void, any Error>.failure(error)
                    }
                }
                return .success(())
            }
        }
        try result.get()
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
            try await core.transfer(.read(chunks.namespace)) {
                [namespace = chunks.namespace] (client) throws(MongoError) in
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
