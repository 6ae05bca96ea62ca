import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct BlobExchangeTests {
    @Test(arguments: [0, 1, 261_120, 9_000_001])
    func `What we store, pymongo's gridfs reads byte for byte`(size: Int) async throws {
        try await withTestHub { hub in
            let blob = try await hub.storeBlob(.stream(stream(noise(size))), in: .dataSets, for: ObjectID())
            let output = try await runPython(
                """
                import sys, hashlib, bson, gridfs, pymongo
                client = pymongo.MongoClient(sys.argv[1])
                bucket = gridfs.GridFSBucket(client[sys.argv[2]], bucket_name="datasetFilesystem")
                file = bucket.open_download_stream(bson.ObjectId(sys.argv[3]))
                data = file.read()
                old = gridfs.GridFS(client[sys.argv[2]], collection="datasetFilesystem").get(bson.ObjectId(sys.argv[3]))
                assert old.read() == data
                print(len(data), file.length, file.chunk_size, hashlib.sha256(data).hexdigest(), file.upload_date.year > 2000)
                """,
                [try await TestMongo.shared(), hub.database.name, "\(blob.id)"]
            )
            #expect(output == "\(size) \(size) 261120 \(blob.sha256 ?? "") True\n")
        }
    }

    @Test(arguments: [(0, 261_120), (700_000, 261_120), (700_000, 1000)])
    func `What pymongo's gridfs stores, we read byte for byte`(size: Int, chunkSize: Int) async throws {
        try await withTestHub { hub in
            let output = try await runPython(
                """
                import sys, gridfs, pymongo
                client = pymongo.MongoClient(sys.argv[1])
                files = gridfs.GridFS(client[sys.argv[2]], collection="modelfs")
                size = int(sys.argv[3])
                print(files.put(bytes(i * 7 % 251 for i in range(size)), chunkSize=int(sys.argv[4])), end="")
                """,
                [try await TestMongo.shared(), hub.database.name, "\(size)", "\(chunkSize)"]
            )
            let bytes = (0..<size).map { UInt8($0 * 7 % 251) }
            let id = try #require(ObjectID(output))
            #expect(try await hub.blob(id, in: .models) == Blob(id: id, length: Int64(size), sha256: nil))
            #expect(try await hub.readWhole(id, .models) == bytes)
            #expect(try await hub.readWhole(id, .models, range: 999..<2001) == Array(bytes.dropFirst(999).prefix(1002)))
            try await withTemporaryDirectory { folder in
                // A data set of TensorLayer's: its length and its hash are not in the document.
                let blob = Blob(id: id, length: 0, sha256: nil)
                try await hub.downloadBlob(blob, in: .models, to: "\(folder)/out")
                #expect(try readFile("\(folder)/out") == bytes)
            }
            // Ours beside theirs: their indexes are no obstacle.
            let ours = try await hub.storeBlob(.bytes(bytes), in: .models, for: ObjectID())
            #expect(try await hub.readWhole(ours.id, .models) == bytes)
        }
    }
}
