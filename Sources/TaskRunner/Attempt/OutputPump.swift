import BSON
import Files
import Logging
import NIOPosix
import TensorHub

/// Carries what a script prints from `output.log` to `TaskOutput`, bounded in memory, in order, each chunk once.
///
/// The file holds the first part and the last part of the output; the database gets the same: chunks that fall between
/// are deleted as newer ones come.
actor OutputPump {
    private let id: AttemptID
    private let store: any AttemptStore
    private let pool: NIOThreadPool
    private let reader: OutputReader
    private let limit: Int
    private let isLost: @Sendable () -> Bool
    private let persistence: Persistence
    private var seq: Int64
    /// Read and not yet acknowledged.
    private var unsent: [OutputChunk] = []
    /// Where each stored chunk behind the head begins, for the deletion of the middle.
    private var stored: [(seq: Int64, offset: Int64, end: Int64)] = []
    private let block: DeliveryBlock
    /// Bytes that MongoDB has refused for good.
    private(set) var refused: Int64 = 0

    /// Chunks that go in one statement: at most 1 MiB.
    static let batch = 4

    /// - Parameters:
    ///   - seq: The number of the next chunk, where an earlier runner has sent some.
    ///   - isLost: Whether the attempt is no longer ours, so that nothing more is to be sent.
    init(
        _ id: AttemptID,
        _ store: any AttemptStore,
        pool: NIOThreadPool,
        reader: OutputReader,
        limit: Int,
        from seq: Int64 = 0,
        block: DeliveryBlock,
        isLost: @escaping @Sendable () -> Bool,
        persistence: Persistence
    ) {
        self.id = id
        self.store = store
        self.pool = pool
        self.reader = reader
        self.limit = limit
        self.seq = seq
        self.block = block
        self.isLost = isLost
        self.persistence = persistence
    }

    /// Sends what is new, again and again, until cancelled. While MongoDB is away the output waits in the file.
    func run(every interval: Duration) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: interval)
            if Task.isCancelled { return }
            do {
                _ = try await sendBatch()
            } catch {
                if Task.isCancelled { return }
                block.failed(error, what: "the output")
            }
        }
    }

    /// Sends all that is left; the script is dead. Waits as long as it takes for whatever may pass, as the delivery of
    /// what the script wrote does: MongoDB, a rotated password, a quota, a want of descriptors.
    ///
    /// - Returns: Whether nothing is left; not where the runner gives up or the attempt is no longer ours.
    func finish() async -> Bool {
        while let isDone = await persistence.untilAccepted(
            .growing,
            isOver: isLost,
            { try await sendNext() },
            failed: { error, _ in block.failed(error, what: "the output") }
        ) {
            if isDone { return true }
        }
        return false
    }

    /// What nobody can read or MongoDB does not take is left out. Returns whether nothing is left.
    private func sendNext() async throws -> Bool {
        do {
            return try await !sendBatch()
        } catch let error as HubError where error.isRefusal {
            let bytes = unsent.reduce(0) { $0 + Int64($1.data.count) }
            refused += bytes
            unsent = []
            block.logger.error(
                "MongoDB does not take a part of the output; it is left out",
                metadata: ["error": "\(error)", "bytes": "\(bytes)"]
            )
            return false
        } catch let error as FileError where !error.mayPass {
            block.logger.error("Some of the output is lost: it cannot be read", metadata: ["error": "\(error)"])
            return true
        }
    }

    /// Bytes that were on the disk when the script ended and that nobody can read any more.
    nonisolated func missing(_ record: ExitRecord) -> Int64 { reader.missing(record) }

    /// Returns whether there was anything to send.
    private func sendBatch() async throws -> Bool {
        if unsent.isEmpty {
            let reader = reader
            let pieces = try await pool.runIfActive {
                var pieces: [OutputPiece] = []
                do {
                    while pieces.count < Self.batch, let piece = try reader.next(maxBytes: Hub.outputChunkSize) {
                        pieces.append(piece)
                    }
                } catch {
                    // The reader is past what it has given.
                    if pieces.isEmpty { throw error }
                }
                return pieces
            }
            for piece in pieces {
                unsent.append(OutputChunk(attempt: id.number, seq: seq, offset: piece.offset, data: piece.data))
                seq += 1
            }
        }
        if unsent.isEmpty { return false }
        try await store.appendOutput(unsent, of: id.task)
        block.succeeded()
        for chunk in unsent where chunk.offset >= OutputReader.head {
            stored.append((chunk.seq, chunk.offset, chunk.offset + Int64(chunk.data.count)))
        }
        unsent = []
        try await dropMiddle()
        return true
    }

    private func dropMiddle() async throws {
        guard let newest = stored.last else { return }
        let tail = max(0, Int64(limit) - OutputReader.head)
        let dropped = min(stored.prefix { $0.end <= newest.end - tail }.count, stored.count - 1)
        // In steps, not chunk by chunk.
        guard dropped >= Self.batch * 4 || (dropped > 0 && stored.count - dropped < Self.batch) else { return }
        try await store.dropOutput(of: id, from: OutputReader.head, before: stored[dropped].seq)
        stored.removeFirst(dropped)
    }
}
