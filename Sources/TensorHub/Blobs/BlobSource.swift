/// Bytes to be stored.
public enum BlobSource: Sendable {
    /// A file of this machine, read piece by piece.
    case file(String)
    case bytes([UInt8])
    /// Whatever comes, piece by piece, in memory that does not grow with it.
    case stream(AsyncThrowingStream<[UInt8], any Error>)
}
