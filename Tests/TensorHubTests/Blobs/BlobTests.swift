import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct BlobTests {
    static let chunk = 261_120

    @Test(arguments: [0, 1, chunk - 1, chunk, chunk + 1, 32 * chunk, 32 * chunk + 1, 81 * chunk + 17])
    func `What is stored comes back, whole and as a file, whatever its size`(size: Int) async throws {
        try await withTestHub { hub in
            let bytes = noise(size)
            for (source, seed) in [(BlobSource.bytes(bytes), 0), (.stream(stream(bytes)), 1)] {
                if seed == 1 { try await hub.database.drop() }
                let hub = try await Hub.connect(uri: try await TestMongo.uri(database: hub.database.name))
                let owner = ObjectID()
                let blob = try await hub.storeBlob(source, in: .models, for: owner)
                #expect(blob.length == Int64(size))
                #expect(blob.sha256 == SHA256.hex(of: bytes))
                #expect(try await hub.chunks(.models) == (size + Self.chunk - 1) / Self.chunk)
                #expect(try await hub.uploads(.models) == 0)
                #expect(try await hub.readWhole(blob.id, .models) == bytes)
                try await withTemporaryDirectory { folder in
                    try await hub.downloadBlob(blob, in: .models, to: "\(folder)/out")
                    #expect(try readFile("\(folder)/out") == bytes)
                }
                await hub.close()
            }
        }
    }

    @Test func `A file of this machine is stored, and stored again it is the same blob`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let text = String(repeating: "line of text\n", count: 100_000)
                try writeFile("\(folder)/a", text)
                let first = try await hub.storeBlob(.file("\(folder)/a"), in: .dataSets, for: ObjectID())
                let second = try await hub.storeBlob(.file("\(folder)/a"), in: .dataSets, for: ObjectID())
                #expect(first == second)
                #expect(try await hub.readWhole(first.id) == Array(text.utf8))
                let missing = await #expect(throws: HubError.self) {
                    try await hub.storeBlob(.file("\(folder)/b"), in: .dataSets, for: ObjectID())
                }
                #expect(missing?.code == .invalidInput)
                #expect(missing?.message == "cannot read \(folder)/b: No such file or directory")
                #expect(try await hub.uploads() == 0)
            }
        }
    }

    @Test func `The same content is one blob, however it comes`() async throws {
        try await withTestHub { hub in
            let bytes = noise(40 * Self.chunk)
            let ids = try await withThrowingTaskGroup(of: ObjectID.self) { group in
                for index in 0..<6 {
                    group.addTask {
                        let source: BlobSource = index % 2 == 0 ? .bytes(bytes) : .stream(stream(bytes))
                        return try await hub.storeBlob(source, in: .dataSets, for: ObjectID()).id
                    }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            #expect(try await hub.chunks() == 40)
            #expect(try await hub.uploads() == 0)
            #expect(try await hub.fileDocuments().count == 1)
            let pending = try await hub.fileDocuments().first?.value(atPath: "metadata.pending")?.arrayValue
            #expect(pending?.count == 6)
        }
    }

    @Test func `A blob goes with the last document that refers to it, of whatever project`() async throws {
        try await withTestHub { hub in
            let bytes = noise(3 * Self.chunk)
            let (one, other) = (ObjectID(), ObjectID())
            let blob = try await hub.saveBlob(bytes, owner: one)
            #expect(try await hub.saveBlob(bytes, owner: other) == blob)
            try await hub.deleteOwner(one, of: blob)
            #expect(try await hub.readWhole(blob.id) == bytes)
            try await hub.deleteOwner(other, of: blob)
            #expect(try await hub.blob(blob.id, in: .dataSets) == nil)
            #expect(try await hub.chunks() == 0)
            let error = await #expect(throws: HubError.self) { try await hub.readWhole(blob.id) }
            #expect(error?.code == .blobLost)
        }
    }

    @Test func `What is reserved is not deleted, and is found by no count of references`() async throws {
        try await withTestHub { hub in
            let owner = ObjectID()
            let blob = try await hub.storeBlob(.bytes([1, 2, 3]), in: .dataSets, for: owner)
            try await hub.releaseBlobs([blob.id], in: .dataSets)
            #expect(try await hub.blob(blob.id, in: .dataSets) == blob)
            // The document never comes.
            try await hub.settleBlobs([blob.id], in: .dataSets, for: owner)
            try await hub.releaseBlobs([blob.id], in: .dataSets)
            #expect(try await hub.blob(blob.id, in: .dataSets) == nil)
            let error = await #expect(throws: HubError.self) {
                try await hub.settleBlobs([blob.id], in: .dataSets, for: owner)
            }
            #expect(error?.code == .blobLost)
        }
    }

    @Test func `A range is read, at and across the borders of chunks`() async throws {
        try await withTestHub { hub in
            let bytes = noise(40 * Self.chunk + 5)
            let blob = try await hub.storeBlob(.bytes(bytes), in: .dataSets, for: ObjectID())
            let c = Int64(Self.chunk)
            let ranges: [Range<Int64>] = [
                0..<0, 0..<1, 0..<c, c - 1..<c, c - 1..<c + 1, c..<c + 1, c..<2 * c, 17 * c - 3..<33 * c + 9,
                40 * c..<40 * c + 5, 40 * c + 4..<40 * c + 100, 50 * c..<51 * c,
            ]
            for range in ranges {
                let wanted = bytes[Int(min(range.lowerBound, blob.length))..<Int(min(range.upperBound, blob.length))]
                #expect(try await hub.readWhole(blob.id, range: range) == Array(wanted), "\(range)")
            }
        }
    }

    @Test func `Content of another hash than it should have is refused, and nothing of it stays`() async throws {
        try await withTestHub { hub in
            let wrong = String(repeating: "0", count: 64)
            let error = await #expect(throws: HubError.self) {
                try await hub.storeBlob(.bytes(noise(1000)), in: .dataSets, for: ObjectID(), sha256: wrong)
            }
            #expect(error?.code == .hashMismatch)
            try await hub.expectNoBlobs()
            let malformed = await #expect(throws: HubError.self) {
                try await hub.storeBlob(.bytes([]), in: .dataSets, for: ObjectID(), sha256: "ABC")
            }
            #expect(malformed?.field == "sha256")
        }
    }

    @Test(.timeLimit(.minutes(30)))
    func `A named pipe is no source, and a link only where no script can have put it`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                try #require(mkfifo("\(folder)/pipe", 0o600) == 0)
                let pipe = await #expect(throws: HubError.self) {
                    try await hub.storeBlob(.file("\(folder)/pipe"), in: .dataSets, for: ObjectID())
                }
                #expect(pipe?.code == .invalidInput)
                try writeFile("\(folder)/file", "content")
                try #require(symlink("file", "\(folder)/link") == 0)
                await #expect(throws: HubError.self) {
                    try await hub.storeBlob(
                        .file("\(folder)/link"),
                        in: .dataSets,
                        for: ObjectID(),
                        uploader: ObjectID()
                    )
                }
                try await hub.expectNoBlobs()
                let blob = try await hub.storeBlob(.file("\(folder)/link"), in: .dataSets, for: ObjectID())
                #expect(blob.length == 7)
            }
        }
    }

    @Test func `A changed or missing chunk is refused, and no file is left`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let blob = try await hub.storeBlob(.bytes(noise(3 * Self.chunk)), in: .dataSets, for: ObjectID())
                let chunks = hub.database.collection("datasetFilesystem.chunks")
                let middle: BSONDocument = ["files_id": .objectID(blob.id), "n": 1]
                let other = BSONBinary(bytes: noise(Self.chunk, seed: 9))
                try await chunks.updateOne(middle, .document(["$set": ["data": .binary(other)]]))
                let changed = await #expect(throws: HubError.self) {
                    try await hub.downloadBlob(blob, in: .dataSets, to: "\(folder)/out")
                }
                #expect(changed?.code == .hashMismatch)
                let read = await #expect(throws: HubError.self) { try await hub.readWhole(blob.id) }
                #expect(read?.code == .hashMismatch)
                try await chunks.deleteOne(middle)
                let missing = await #expect(throws: HubError.self) {
                    try await hub.downloadBlob(blob, in: .dataSets, to: "\(folder)/out")
                }
                #expect(missing?.code == .blobLost)
                #expect(missing?.message.contains("chunk 1 is missing") == true)
                #expect(entries(folder).isEmpty)
            }
        }
    }

    @Test func `Content that was found damaged is stored anew, and never taken for the damaged file`() async throws {
        try await withTestHub { hub in
            let bytes = noise(2 * Self.chunk)
            let owner = ObjectID()
            let damaged = try await hub.saveBlob(bytes, owner: owner)
            try await hub.database.collection("datasetFilesystem.chunks").deleteOne([
                "files_id": .objectID(damaged.id), "n": 1,
            ])
            let lost = await #expect(throws: HubError.self) { try await hub.readWhole(damaged.id) }
            #expect(lost?.code == .blobLost)
            // Somebody counts who refers to it: it is kept, but not unique again.
            try await hub.releaseBlobs([damaged.id], in: .dataSets)
            let again = try await hub.saveBlob(bytes)
            #expect(again.id != damaged.id)
            #expect(try await hub.readWhole(again.id) == bytes)
            #expect(try await hub.saveBlob(bytes).id == again.id)
            try await hub.deleteOwner(owner, of: damaged)
            #expect(try await hub.fileDocuments().count == 1)
        }
    }

    @Test func `A source that fails leaves nothing behind`() async throws {
        struct Broken: Error {}
        try await withTestHub { hub in
            let count = Counter()
            let source = AsyncThrowingStream<[UInt8], any Error> {
                if count.next() > 50 { throw Broken() }
                return noise(Self.chunk)
            }
            let error = await #expect(throws: HubError.self) {
                try await hub.storeBlob(.stream(source), in: .dataSets, for: ObjectID())
            }
            #expect(error?.underlying is Broken)
            try await hub.expectNoBlobs()
        }
    }

    @Test func `What the uploads of a dead attempt have left is deleted at once`() async throws {
        try await withTestHub { hub in
            let (dead, alive) = (ObjectID(), ObjectID())
            // A first call makes the indexes.
            try await hub.saveBlob([1])
            for uploader in [dead, alive] {
                let file = ObjectID()
                try await hub.database.collection("datasetFilesystem.uploads").insertOne([
                    "_id": .objectID(file), "uploader": .objectID(uploader),
                    "heartbeat": .dateTime(try await hub.serverTime()),
                ])
                for n in 0..<3 {
                    try await hub.database.collection("datasetFilesystem.chunks").insertOne([
                        "files_id": .objectID(file), "n": .init(smallest: n), "data": .binary(BSONBinary(bytes: [7])),
                    ])
                }
            }
            try await hub.dropUploads(of: dead)
            #expect(try await hub.chunks() == 4)
            #expect(try await hub.uploads() == 1)
        }
    }
}
