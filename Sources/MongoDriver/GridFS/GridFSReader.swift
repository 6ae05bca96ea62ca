/// Reads a part of a file in order. While the caller works on one message's content, the next two are under way.
package actor GridFSReader {
    private let bucket: GridFSBucket
    private let file: GridFSFile
    private let range: Range<Int64>
    private let step: Int
    /// The next chunk to ask for, and the one behind the last.
    private var nextChunk: Int
    private let endChunk: Int
    private var underWay: [Task<[[UInt8]], any Error>] = []
    private var pieces: ArraySlice<[UInt8]> = []

    package init(_ bucket: GridFSBucket, _ file: GridFSFile, range: Range<Int64>) {
        self.bucket = bucket
        self.file = file
        self.range = range.clamped(to: 0..<max(0, file.length))
        step = file.chunksPerReply
        let size = Int64(file.chunkSize)
        nextChunk = Int(self.range.lowerBound / size)
        endChunk = self.range.isEmpty ? nextChunk : Int((self.range.upperBound + size - 1) / size)
    }

    // Children of no group: they live as long as this reader, which outlives every call of `next`.
    deinit { for task in underWay { task.cancel() } }

    /// The next bytes, never none; `nil` at the end.
    package func next() async throws -> [UInt8]? {
        while true {
            if let piece = pieces.popFirst() { return piece }
            try Task.checkCancellation()
            while underWay.count < GridFSBucket.lanes, nextChunk < endChunk {
                let numbers = nextChunk..<min(endChunk, nextChunk + step)
                nextChunk = numbers.upperBound
                underWay.append(
                    Task { [bucket, file, range] in
                        try await Self.copy(bucket.fetch(numbers, of: file), range)
                    }
                )
            }
            guard !underWay.isEmpty else { return nil }
            let first = underWay.removeFirst()
            pieces = try await withTaskCancellationHandler {
                try await first.value[...]
            } onCancel: {
                first.cancel()
            }
        }
    }

    /// What of the chunks lies in the range.
    private static func copy(_ reply: ChunkReply, _ range: Range<Int64>) throws -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        try reply.visit { content, offset in
            let wanted = (offset..<(offset + Int64(content.count))).clamped(to: range)
            if wanted.isEmpty { return }
            pieces.append(
                Array(content[Int(wanted.lowerBound - offset)..<Int(wanted.upperBound - offset)])
            )
        }
        return pieces
    }
}
