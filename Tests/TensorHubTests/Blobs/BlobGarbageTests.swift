import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct BlobGarbageTests {
    private static let longAgo = BSONDateTime(millisecondsSince1970: 1_000_000_000_000)

    /// Chunks without a file, as a writer leaves them that is killed.
    private func insertChunks(_ hub: Hub, of file: BSONValue, count: Int, isOld: Bool = true) async throws {
        let time: [UInt8] = isOld ? [0x50, 0, 0, 0] : []
        for n in 0..<count {
            let id = ObjectID(bytes: time + ObjectID().bytes.suffix(12 - time.count)) ?? ObjectID()
            try await hub.database.collection("datasetFilesystem.chunks").insertOne([
                "_id": .objectID(id), "files_id": file, "n": .init(smallest: n),
                "data": .binary(BSONBinary(bytes: [1, 2, 3])),
            ])
        }
    }

    private func age(_ hub: Hub, _ blob: Blob, _ fields: BSONDocument = [:]) async throws {
        var fields = fields
        fields.append("uploadDate", .dateTime(Self.longAgo))
        try await hub.database.collection("datasetFilesystem.files").updateOne(
            ["_id": .objectID(blob.id)],
            .document(["$set": .document(fields)])
        )
    }

    private func collect(_ hub: Hub, dryRun: Bool = false, foreign: Bool = false) async throws -> GarbageReport {
        let reports = try await hub.collectGarbage(dryRun: dryRun, foreign: foreign)
        #expect(reports.map(\.bucket) == [.checkpoints, .dataSets, .models])
        return try #require(reports.first { $0.bucket == .dataSets })
    }

    @Test func `A database without blobs has no garbage, and gets no collection`() async throws {
        try await withTestHub { hub in
            let report = try await collect(hub)
            #expect(report.isClean)
            let names = try await hub.database.listCollectionNames()
            #expect(names.isEmpty)
        }
    }

    @Test
    func `Chunks without a file go, whatever their identifier, but those of an upload under way and young ones stay`()
        async throws
    {
        try await withTestHub { hub in
            let kept = try await hub.saveBlob(noise(300_000))
            let (lost, alive) = (ObjectID(), ObjectID())
            try await insertChunks(hub, of: .objectID(lost), count: 5)
            try await insertChunks(hub, of: "a name", count: 2)
            try await insertChunks(hub, of: .objectID(ObjectID()), count: 1, isOld: false)
            try await insertChunks(hub, of: .objectID(alive), count: 3)
            try await hub.database.collection("datasetFilesystem.uploads").insertOne([
                "_id": .objectID(alive), "heartbeat": .dateTime(try await hub.serverTime()),
            ])
            let dry = try await collect(hub, dryRun: true)
            #expect(dry.orphans.map(\.chunks).sorted() == [2, 5])
            #expect(try await hub.chunks() == 2 + 5 + 2 + 1 + 3)
            let wet = try await collect(hub)
            #expect(wet.orphans == dry.orphans)
            #expect(wet.bytes == 7 * 261_120)
            #expect(try await hub.chunks() == 2 + 1 + 3)
            #expect(try await collect(hub).isClean)
            #expect(try await hub.readWhole(kept.id).count == 300_000)
        }
    }

    @Test func `An upload that nobody goes on with goes with its chunks, but not the file that it had finished`()
        async throws
    {
        try await withTestHub { hub in
            let done = try await hub.saveBlob(noise(10))
            let dead = ObjectID()
            try await insertChunks(hub, of: .objectID(dead), count: 4, isOld: false)
            try await hub.database.collection("datasetFilesystem.uploads").insertMany([
                ["_id": .objectID(dead), "heartbeat": .dateTime(Self.longAgo)],
                ["_id": .objectID(done.id), "heartbeat": .dateTime(Self.longAgo)],
            ])
            for isDry in [true, false] {
                let report = try await collect(hub, dryRun: isDry)
                #expect(report.staleUploads == 2)
                #expect(report.staleUploadChunks == 4)
            }
            #expect(try await hub.uploads() == 0)
            #expect(try await hub.chunks() == 1)
            #expect(try await collect(hub).isClean)
        }
    }

    @Test
    func `A file whose document never came goes once its reservation is old, and one that is referred to is kept`()
        async throws
    {
        try await withTestHub { hub in
            let pending: BSONDocument = [
                "metadata.pending": [["id": .objectID(ObjectID()), "time": .dateTime(Self.longAgo)]]
            ]
            let lost = try await hub.storeBlob(.bytes([1]), in: .dataSets, for: ObjectID())
            let fresh = try await hub.storeBlob(.bytes([2]), in: .dataSets, for: ObjectID())
            let referred = try await hub.saveBlob([3])
            try await age(hub, lost, pending)
            try await age(hub, fresh)
            try await age(hub, referred, pending)
            for isDry in [true, false] {
                let report = try await collect(hub, dryRun: isDry)
                #expect(report.unreferenced == [lost])
                #expect(report.staleReservations == 2)
            }
            #expect(try await Set(hub.fileDocuments().map { $0["_id"]?.objectIDValue }) == [fresh.id, referred.id])
            #expect(try await hub.chunks() == 2)
            #expect(try await collect(hub).isClean)
        }
    }

    @Test func `A deletion that was cut short is finished, or taken back where a document refers to the file`()
        async throws
    {
        try await withTestHub { hub in
            let condemned: BSONDocument = [
                "metadata.condemned": ["by": .objectID(ObjectID()), "time": .dateTime(Self.longAgo)]
            ]
            let owner = ObjectID()
            let lost = try await hub.storeBlob(.bytes([1]), in: .dataSets, for: owner)
            try await hub.settleBlobs([lost.id], in: .dataSets, for: owner)
            let referred = try await hub.saveBlob([3])
            try await age(hub, lost, condemned)
            try await age(hub, referred, condemned)
            let report = try await collect(hub)
            #expect(report.unreferenced == [lost])
            #expect(report.pardoned == 1)
            // Whole again: the same content is the same blob.
            #expect(try await hub.saveBlob([3]) == referred)
            #expect(try await collect(hub).isClean)
        }
    }

    @Test func `Files of other programs are reported, and deleted only where that is asked for`() async throws {
        try await withTestHub { hub in
            let (referred, lost) = (ObjectID(), ObjectID())
            for id in [referred, lost] {
                try await hub.database.collection("datasetFilesystem.files").insertOne([
                    "_id": .objectID(id), "length": 3, "chunkSize": 261_120, "uploadDate": .dateTime(Self.longAgo),
                ])
                try await insertChunks(hub, of: .objectID(id), count: 1)
            }
            try await hub.database.collection("Dataset").insertOne(["dataset_id": .objectID(referred)])
            #expect(try await collect(hub).foreign.map(\.id) == [lost])
            #expect(try await hub.chunks() == 2)
            #expect(try await collect(hub, foreign: true).foreign.map(\.id) == [lost])
            #expect(try await hub.fileDocuments().map { $0["_id"]?.objectIDValue } == [referred])
            #expect(try await hub.chunks() == 1)
        }
    }

    @Test func `The search for orphans walks the index from file to file and reads no chunk`() async throws {
        try await withTestHub { hub in
            for seed in 0..<3 { try await hub.saveBlob(noise(2_000_000, seed: UInt64(seed))) }
            let plan = try await hub.database.runCommand([
                "explain": [
                    "aggregate": "datasetFilesystem.chunks", "pipeline": [["$group": ["_id": "$files_id"]]],
                    "cursor": [:], "hint": ["files_id": 1, "n": 1],
                ],
                "verbosity": "executionStats",
            ])
            let text = plan.extendedJSON(.relaxed)
            #expect(text.contains("DISTINCT_SCAN"))
            #expect(text.contains("\"totalDocsExamined\":0") || text.contains("\"totalDocsExamined\": 0"))
        }
    }

    @Test func `Saving and deleting the same content at once, again and again, loses no blob and leaves none`()
        async throws
    {
        try await withTestHub { hub in
            let bytes = noise(300_000)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<15 {
                            let owner = ObjectID()
                            let blob = try await hub.saveBlob(bytes, owner: owner)
                            // Whatever the others delete: a document refers to it.
                            #expect(try await hub.readWhole(blob.id) == bytes)
                            try await hub.deleteOwner(owner, of: blob)
                        }
                    }
                }
                try await group.waitForAll()
            }
            _ = try await hub.collectGarbage(olderThan: .zero)
            try await hub.expectNoBlobs()
        }
    }
}
