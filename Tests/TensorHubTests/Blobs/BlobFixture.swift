import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

extension Hub {
    func chunks(_ bucket: BlobBucket = .dataSets) async throws -> Int {
        try await database.collection(bucket.rawValue + ".chunks").countDocuments()
    }

    func fileDocuments(_ bucket: BlobBucket = .dataSets) async throws -> [BSONDocument] {
        try await database.collection(bucket.rawValue + ".files").findAll()
    }

    func uploads(_ bucket: BlobBucket = .dataSets) async throws -> Int {
        try await database.collection(bucket.rawValue + ".uploads").countDocuments()
    }

    func expectNoBlobs() async throws {
        let (chunks, uploads, files) = (try await chunks(), try await uploads(), try await fileDocuments())
        #expect(chunks == 0)
        #expect(uploads == 0)
        #expect(files.isEmpty)
    }

    /// Stores bytes with a data set that refers to them.
    @discardableResult
    func saveBlob(_ bytes: [UInt8], owner: ObjectID = ObjectID()) async throws -> Blob {
        let blob = try await storeBlob(.bytes(bytes), in: .dataSets, for: owner)
        try await insertOwner(of: blob, owner)
        try await settleBlobs([blob.id], in: .dataSets, for: owner)
        return blob
    }

    func insertOwner(of blob: Blob, _ owner: ObjectID) async throws {
        let file = StoredFile(path: "data", mode: 0o644, blob: blob)
        try await database.collection("Dataset").insertOne([
            "_id": .objectID(owner), "dataset_id": .objectID(blob.id), "hub": ["files": [.document(file.document)]],
        ])
    }

    func deleteOwner(_ owner: ObjectID, of blob: Blob) async throws {
        try await database.collection("Dataset").deleteOne(["_id": .objectID(owner)])
        try await releaseBlobs([blob.id], in: .dataSets)
    }

    func readWhole(
        _ id: ObjectID,
        _ bucket: BlobBucket = .dataSets,
        range: Range<Int64>? = nil
    ) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await piece in readBlob(id, in: bucket, range: range) { bytes += piece }
        return bytes
    }
}

/// Bytes that look random and are the same for the same seed.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var bytes = [UInt8](repeating: 0, count: (count + 7) / 8 * 8)
    bytes.withUnsafeMutableBytes { buffer in
        for index in stride(from: 0, to: buffer.count, by: 8) {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            buffer.storeBytes(of: state, toByteOffset: index, as: UInt64.self)
        }
    }
    return Array(bytes.prefix(count))
}

/// Pieces of uneven sizes, one after the other.
func stream(_ bytes: [UInt8], piece: Int = 100_003) -> AsyncThrowingStream<[UInt8], any Error> {
    let position = Counter()
    return AsyncThrowingStream {
        let start = position.next(adding: piece)
        return start < bytes.count ? Array(bytes[start..<min(bytes.count, start + piece)]) : nil
    }
}
