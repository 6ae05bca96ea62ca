import BSON
import MongoDriver
import TestSupport
import Testing

@Suite struct LimitTests {
    /// A document of exactly that many bytes.
    private func document(bytes count: Int) -> BSONDocument {
        let empty: BSONDocument = ["_id": 1, "data": .binary(BSONBinary(bytes: []))]
        return [
            "_id": 1, "data": .binary(BSONBinary(bytes: [UInt8](repeating: 7, count: count - empty.bytes.count))),
        ]
    }

    @Test func `A document of 16 MiB fits, and one byte more does not`() async throws {
        try await withTestDatabase { client, name in
            let blobs = client.database(name).collection("Blob")
            let largest = document(bytes: 16 << 20)
            try await blobs.insertOne(largest)
            #expect(try await blobs.findOne() == largest)
            let error = await failure { try await blobs.insertOne(document(bytes: (16 << 20) + 1)) }
            #expect(error?.code == .invalidInput)
            let grown = await failure {
                try await blobs.updateOne(["_id": 1], .document(["$set": ["more": "than fits"]]))
            }
            #expect(grown?.code == .invalidInput)
            #expect(grown?.serverCode == 17419)
            let filter = await failure { _ = try await blobs.findOne(document(bytes: (16 << 20) + 100_000)) }
            #expect(filter != nil)
            #expect(try await blobs.countDocuments() == 1)
        }
    }

    @Test func `Inserting many splits what is more than one message holds`() async throws {
        try await withTestDatabase { client, name in
            let blobs = client.database(name).collection("Blob")
            let data = BSONValue.binary(BSONBinary(bytes: [UInt8](repeating: 1, count: 1 << 20)))
            let inserted = try await blobs.insertMany((0..<60).map { ["_id": BSONValue(smallest: $0), "data": data] })
            #expect(inserted == 60)
            #expect(try await blobs.countDocuments() == 60)
            var count = 0
            for try await blob in blobs.find() { count += blob["data"]?.binaryValue?.bytes.count == 1 << 20 ? 1 : 0 }
            #expect(count == 60)
        }
    }

    @Test func `A bulk update splits what is more than one message holds`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany((0..<2500).map { ["_id": BSONValue(smallest: $0)] })
            let text = BSONValue.string(String(repeating: "x", count: 20_000))
            let result = try await tasks.bulkUpdate(
                (0..<2500).map {
                    UpdateStatement(filter: ["_id": BSONValue(smallest: $0)], update: .document(["$set": ["t": text]]))
                }
            )
            #expect(result == BulkUpdateResult(matched: 2500, modified: 2500, writeErrors: []))
        }
    }

    @Test func `Many calls at once share the few threads`() async throws {
        try await withTestDatabase { client, name in
            let counters = client.database(name).collection("Counter")
            try await counters.insertOne(["_id": 1, "n": 0])
            let seen = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<500 {
                    group.addTask {
                        let new = try await counters.findAndModify(["_id": 1], .document(["$inc": ["n": 1]]))
                        return new?["n"]?.intValue ?? -1
                    }
                }
                var seen: Set<Int> = []
                for try await n in group { seen.insert(n) }
                return seen
            }
            #expect(seen == Set(1...500))
        }
    }

    @Test func `Documents that no program of ours would write come back as they are`() async throws {
        try await withTestDatabase { client, name in
            let odd = client.database(name).collection("Odd")
            let documents: [BSONDocument] = [
                ["_id": 1, "": "an empty key"],
                ["_id": 2, "a.b": 1, "$c": 2],
                ["_id": 3, "nan": .double(.nan), "min": .minKey, "max": .maxKey, "none": .undefined],
                ["_id": 4, "twice": 1, "twice": 2],
            ]
            for document in documents { try await odd.insertOne(document) }
            let found = try await odd.findAll([:], FindOptions(sort: ["_id": 1]))
            #expect(found.map(\.bytes) == documents.map(\.bytes))
        }
    }
}
