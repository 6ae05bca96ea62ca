import BSON
import MongoDriver
import TestSupport
import Testing

@Suite struct GridFSTests {
    private func stream(_ pieces: [[UInt8]]) -> AsyncThrowingStream<[UInt8], any Error> {
        let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        for piece in pieces { continuation.yield(piece) }
        continuation.finish()
        return stream
    }

    private func read(_ bucket: GridFSBucket, _ file: GridFSFile, _ range: Range<Int64>? = nil) async throws -> [UInt8]
    {
        var bytes: [UInt8] = []
        for try await piece in bucket.read(file, range: range) { bytes += piece }
        return bytes
    }

    @Test func `A file has the fields and chunks of the specification, and comes back`() async throws {
        try await withTestDatabase { client, name in
            let bucket = client.database(name).gridFS("fs")
            try await bucket.createIndexes()
            let date = BSONDateTime(millisecondsSince1970: 1_700_000_000_000)
            let pieces = (0..<7).map { [UInt8](repeating: $0, count: 100_000) }
            let file = try await bucket.upload(
                stream(pieces),
                filename: "a.bin",
                metadata: ["kind": "test"],
                uploadDate: date
            )
            let stored = try #require(try await bucket.file(file.id))
            #expect(stored == file)
            #expect(stored.document.keys == ["_id", "length", "chunkSize", "uploadDate", "metadata", "filename"])
            #expect(stored.document["length"] == .int64(700_000))
            #expect(stored.document["chunkSize"] == .int32(261_120))
            #expect(stored.uploadDate == date)
            let chunks = try await bucket.chunks.findAll([:], FindOptions(sort: ["n": 1]))
            #expect(chunks.map(\.keys) == [["_id", "files_id", "n", "data"]].repeated(3))
            #expect(chunks.map { $0["n"] } == [.int32(0), .int32(1), .int32(2)])
            #expect(chunks.map { $0["data"]?.binaryValue?.bytes.count } == [261_120, 261_120, 177_760])
            #expect(chunks.allSatisfy { $0["files_id"] == file.id && $0["data"]?.binaryValue?.subtype == 0 })
            #expect(try await read(bucket, file) == pieces.flatMap(\.self))
            #expect(try await read(bucket, file, 261_119..<261_122) == [2, 2, 2])
            #expect(try await bucket.delete(file.id))
            #expect(try await bucket.delete(file.id) == false)
            #expect(try await bucket.chunks.countDocuments() == 0)
        }
    }

    @Test func `The indexes are those of the specification`() async throws {
        try await withTestDatabase { client, name in
            let bucket = client.database(name).gridFS("fs")
            try await bucket.createIndexes()
            let chunks = try await bucket.chunks.listIndexes().last
            #expect(chunks?["key"] == ["files_id": 1, "n": 1])
            #expect(chunks?["unique"] == true)
            #expect(try await bucket.files.listIndexes().last?["key"] == ["filename": 1, "uploadDate": 1])
        }
    }

    @Test func `A stream that fails leaves no chunk, and its error comes through`() async throws {
        struct Broken: Error {}
        try await withTestDatabase { client, name in
            let bucket = client.database(name).gridFS("fs")
            try await bucket.createIndexes()
            let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
            for _ in 0..<100 { continuation.yield([UInt8](repeating: 1, count: 200_000)) }
            continuation.finish(throwing: Broken())
            await #expect(throws: Broken.self) {
                try await bucket.upload(stream, uploadDate: BSONDateTime(millisecondsSince1970: 0))
            }
            #expect(try await bucket.chunks.countDocuments() == 0)
        }
    }

    @Test func `An upload whose document is there but not acknowledged leaves nothing`() async throws {
        try await withTestDatabase { admin, name in
            var options = MongoClient.Options()
            options.applicationName = "gridfs-\(UInt64.random(in: 0 ... .max))"
            let client = try MongoClient(uri: try await TestMongo.shared(), options: options)
            var bucket = client.database(name).gridFS("fs")
            try await bucket.createIndexes()
            bucket.patience = .milliseconds(200)
            let data: BSONDocument = [
                "failCommands": ["insert"], "namespace": .string("\(name).fs.files"),
                "writeConcernError": ["code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"],
            ]
            try await withFailCommand(
                data,
                applicationName: options.applicationName,
                times: nil,
                client: admin
            ) { [bucket] in
                let error = await #expect(throws: MongoError.self) {
                    try await bucket.upload(stream([[1, 2, 3]]), uploadDate: BSONDateTime(millisecondsSince1970: 0))
                }
                #expect(error?.code == .writeConcern)
            }
            #expect(try await bucket.files.countDocuments() == 0)
            #expect(try await bucket.chunks.countDocuments() == 0)
            await client.close()
        }
    }

    @Test(arguments: [Int64.max, 1 << 51, -1, .min])
    func `Numbers that cannot be in a file's document do no harm`(number: Int64) {
        for document: BSONDocument in [
            ["length": .int64(number), "chunkSize": .int64(number)], ["length": .int64(number), "chunkSize": 1],
            ["length": 5, "chunkSize": .int64(number)],
        ] {
            let file = GridFSFile(document)
            #expect((0...(1 << 50)).contains(file.length) && (1...(16 << 20)).contains(file.chunkSize))
            #expect(file.chunkCount >= (file.length == 0 ? 0 : 1))
        }
    }

    @Test(arguments: ["missing", "short", "no data"])
    func `A missing, a short and a foreign chunk are found`(kind: String) async throws {
        try await withTestDatabase { client, name in
            let bucket = client.database(name).gridFS("fs")
            let file = try await bucket.upload(
                stream([[UInt8](repeating: 1, count: 600_000)]),
                uploadDate: BSONDateTime(millisecondsSince1970: 0)
            )
            let middle: BSONDocument = ["files_id": file.id, "n": 1]
            switch kind {
            case "missing": try await bucket.chunks.deleteOne(middle)
            case "short":
                let short = BSONValue.binary(BSONBinary(bytes: [1]))
                try await bucket.chunks.updateOne(middle, .document(["$set": ["data": short]]))
            default: try await bucket.chunks.updateOne(middle, .document(["$set": ["data": 7]]))
            }
            let error = await #expect(throws: MongoError.self) { try await read(bucket, file) }
            #expect(error?.code == .corruptFile)
            #expect(error?.message.contains("chunk 1") == true)
        }
    }

    @Test func `Deletion goes piece by piece through a file of thousands of chunks`() async throws {
        try await withTestDatabase { client, name in
            let bucket = client.database(name).gridFS("fs")
            try await bucket.createIndexes()
            let (id, other) = (ObjectID(), ObjectID())
            for file in [id, other] {
                try await bucket.chunks.insertMany(
                    (0..<5001).map {
                        ["files_id": .objectID(file), "n": .int32($0), "data": .binary(BSONBinary(bytes: [1]))]
                    }
                )
            }
            #expect(try await bucket.deleteChunks(of: .objectID(id)) == 5001)
            #expect(try await bucket.chunks.countDocuments() == 5001)
        }
    }
}

extension Array {
    fileprivate func repeated(_ count: Int) -> [Element] {
        (0..<count).flatMap { _ in self }
    }
}
