import BSON
import Synchronization

/// What the lanes of one upload take their messages from, one at a time and in order: a lane reads and digests the next
/// message while another is under way.
final class UploadSource: Sendable {
    private let id: ObjectID
    private let fill: @Sendable (ChunkBatch) throws -> Void
    private let state = Mutex(State())

    private struct State {
        var uploaded = GridFSBucket.Uploaded(length: 0, chunks: 0)
        var isAtEnd = false
    }

    /// - Parameter fill: Fills the batch; one that it leaves not full is the last.
    init(_ id: ObjectID, _ fill: @escaping @Sendable (ChunkBatch) throws -> Void) {
        self.id = id
        self.fill = fill
    }

    /// What was taken.
    var uploaded: GridFSBucket.Uploaded { state.withLock { $0.uploaded } }

    /// Makes the batch the next message. Blocks while another lane does that.
    ///
    /// - Returns: Whether there is one.
    func next(_ batch: ChunkBatch) throws -> Bool {
        try state.withLock { state in
            if state.isAtEnd { return false }
            batch.reset()
            // Whatever `fill` throws, this upload is over.
            state.isAtEnd = true
            try fill(batch)
            state.isAtEnd = !batch.isFull
            if batch.length == 0 { return false }
            batch.seal(file: id, firstNumber: state.uploaded.chunks)
            state.uploaded.length += Int64(batch.length)
            state.uploaded.chunks += batch.count
            return true
        }
    }
}
