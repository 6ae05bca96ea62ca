import BSON

/// A piece of what a script printed.
public struct OutputChunk: Sendable, Hashable {
    public var attempt: Int
    /// Counts the chunks of an attempt from 0.
    public var seq: Int64
    /// Where the piece stands in the whole output, in bytes. A gap to the end of the one before was left out by the
    /// output limit.
    public var offset: Int64
    /// Any bytes, as printed: NUL and invalid UTF-8 too.
    public var data: [UInt8]

    package init(attempt: Int, seq: Int64, offset: Int64, data: [UInt8]) {
        self.attempt = attempt
        self.seq = seq
        self.offset = offset
        self.data = data
    }

    init?(_ document: BSONDocument) {
        guard let attempt = document["attempt"]?.intValue, let seq = document["seq"]?.intValue,
            let offset = document["offset"]?.intValue, let data = document["data"]?.binaryValue
        else { return nil }
        self.init(attempt: attempt, seq: Int64(seq), offset: Int64(offset), data: data.bytes)
    }
}
