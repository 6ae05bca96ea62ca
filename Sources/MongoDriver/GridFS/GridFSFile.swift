public import BSON

/// A file of a GridFS bucket as its document in `files` describes it.
public struct GridFSFile: Sendable, Hashable {
    /// The document is the truth; the properties read it.
    public var document: BSONDocument

    public init(_ document: BSONDocument) {
        self.document = document
    }

    /// An identifier of any type; ours are `ObjectID`s.
    public var id: BSONValue { document["_id"] ?? .null }
    /// Bytes, 0 to 2^50 whatever the document says. Old writers stored it as a double.
    public var length: Int64 { Int64(max(0, min(document["length"]?.intValue ?? 0, 1 << 50))) }
    /// Bytes of every chunk but the last, 1 to 16 MiB whatever the document says: no chunk can have more.
    public var chunkSize: Int {
        max(1, min(document["chunkSize"]?.intValue ?? GridFSBucket.defaultChunkSize, BulkWrite.maxDocumentSize))
    }
    public var uploadDate: BSONDateTime? { document["uploadDate"]?.dateTimeValue }
    public var metadata: BSONDocument? { document["metadata"]?.documentValue }

    /// How many chunks hold its bytes.
    public var chunkCount: Int { Int((length + Int64(chunkSize) - 1) / Int64(chunkSize)) }

    /// Bytes that the chunk of that number has to have.
    func size(ofChunk number: Int) -> Int {
        Int(min(Int64(chunkSize), length - Int64(number) * Int64(chunkSize)))
    }

    /// How many chunks are asked for at once: about 1 MiB.
    var chunksPerReply: Int { max(1, min(4096, GridFSBucket.replySize / chunkSize)) }
}
