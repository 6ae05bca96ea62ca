import BSON
import MongoDriver
import NIOPosix
import TensorHub

/// Carries what a script prints from `output.log` to `TaskOutput`, bounded in memory, in order, each chunk once.
///
/// The file holds the first part and the last part of the output; the database gets the same: chunks that fall between
/// are deleted as newer ones come.
actor OutputPump {
    private let key: AttemptKey
    private let hub: Hub
    private let pool: NIOThreadPool
    private let reader: OutputReader
    private let limit: Int
    private let mustGiveUp: @Sendable () -> Bool
    private var seq: Int64
    /// Read and not yet acknowledged.
    private var unsent: [OutputChunk] = []
    /// Where each stored chunk behind the head begins, for the deletion of the middle.
    private var stored: [(seq: Int64, offset: Int64, end: Int64)] = []
    private var lastKeptOfHead: Int64 = -1

    /// Chunks that go in one statement: at most 1 MiB.
    static let batch = 4
    /// Bytes of the beginning that are always kept.
    static let head: Int64 = 1 << 20

    /// - Parameter seq: The number of the next chunk, where an earlier runner has sent some.
    init(
        key: AttemptKey,
        hub: Hub,
        pool: NIOThreadPool,
        reader: OutputReader,
        limit: Int,
        from seq: Int64 = 0,
        mustGiveUp: @escaping @Sendable () -> Bool
    ) {
        self.key = key
        self.hub = hub
        self.pool = pool
        self.reader = reader
        self.limit = limit
        self.seq = seq
        self.mustGiveUp = mustGiveUp
    }

    /// Sends what is new, again and again, until cancelled. While MongoDB is away the output waits in the file.
    func run(every interval: Duration) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: interval)
            if Task.isCancelled { return }
            _ = try? await sendBatch()
        }
    }

    /// Sends all that is left; the script is dead. Waits for MongoDB as long as it takes, or until the runner gives up.
    ///
    /// - Throws: What waiting cannot mend: no right to write, a file that cannot be read. The output is given up then.
    func finish() async throws {
        while true {
            do {
                if try await !sendBatch() { return }
            } catch let error as HubError where (error.underlying as? MongoError)?.isRetryable == true {
                if mustGiveUp() { throw error }
                try? await Task.sleep(for: Reporter.retryPause)
            }
        }
    }

    /// Returns whether there was anything to send.
    private func sendBatch() async throws -> Bool {
        if unsent.isEmpty {
            let reader = reader
            let pieces = try await pool.runIfActive {
                var pieces: [OutputPiece] = []
                while pieces.count < Self.batch, let piece = try reader.next(maxBytes: Hub.outputChunkSize) {
                    pieces.append(piece)
                }
                return pieces
            }
            for piece in pieces {
                unsent.append(OutputChunk(attempt: key.attempt, seq: seq, offset: piece.offset, data: piece.data))
                seq += 1
            }
        }
        if unsent.isEmpty { return false }
        try await hub.appendOutput(unsent.map { (key.taskID, $0) })
        for chunk in unsent {
            let end = chunk.offset + Int64(chunk.data.count)
            if end <= Self.head { lastKeptOfHead = chunk.seq } else { stored.append((chunk.seq, chunk.offset, end)) }
        }
        unsent = []
        try await dropMiddle()
        return true
    }

    private func dropMiddle() async throws {
        guard let newest = stored.last else { return }
        let tail = max(0, Int64(limit) - Self.head)
        let dropped = min(stored.prefix { $0.end <= newest.end - tail }.count, stored.count - 1)
        // In steps, not chunk by chunk.
        guard dropped >= Self.batch * 4 || (dropped > 0 && stored.count - dropped < Self.batch) else { return }
        try await hub.dropOutput(
            of: key.taskID,
            attempt: key.attempt,
            after: lastKeptOfHead,
            before: stored[dropped].seq
        )
        stored.removeFirst(dropped)
    }
}
