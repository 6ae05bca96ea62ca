import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// What is stored for a document hours before the document comes, and the collection of garbage meanwhile.
@Suite struct LongSaveTests {
    private static let longAgo = BSONDateTime(millisecondsSince1970: 1_000_000_000_000)

    /// Content whose last file comes when it is told to, and the way to tell it.
    private func slowContent(_ first: [[UInt8]]) -> (Content, AsyncThrowingStream<[UInt8], any Error>.Continuation) {
        let (pieces, more) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        let files = first.enumerated().map { SourceFile(path: "\($0.offset)", source: .bytes($0.element)) }
        return (Content(kind: .folder, files: files + [SourceFile(path: "last", source: .stream(pieces))]), more)
    }

    /// Runs a save, `body` once its first files are stored, and then the rest of the save.
    private func saving<Value: Sendable>(
        _ hub: Hub,
        _ first: [[UInt8]],
        in bucket: BlobBucket = .dataSets,
        _ save: @escaping @Sendable (Content) async throws -> Value,
        _ body: () async throws -> Void
    ) async throws -> Result<Value, any Error> {
        let (content, more) = slowContent(first)
        let before = try await hub.fileDocuments(bucket).count
        let saved = Task { try await save(content) }
        let isStored = try await eventually {
            let stored = try await hub.fileDocuments(bucket).compactMap { $0["_id"] }
            let uploads = try await hub.database.collection(bucket.rawValue + ".uploads").findAll()
            // The document, and the file that waits.
            return stored.count == before + first.count && uploads.count == 2
                && uploads.compactMap { $0["_id"] }.allSatisfy { !stored.contains($0) }
        }
        #expect(isStored)
        do { try await body() } catch {
            more.finish(throwing: error)
            _ = await saved.result
            throw error
        }
        more.yield([9, 9, 9])
        more.finish()
        return await saved.result
    }

    /// Makes all files, and the reservations of them, as old as can be.
    private func age(_ hub: Hub, _ bucket: BlobBucket = .dataSets) async throws {
        try await hub.database.collection(bucket.rawValue + ".files").updateMany(
            [:],
            .document([
                "$set": ["uploadDate": .dateTime(Self.longAgo), "metadata.pending.$[].time": .dateTime(Self.longAgo)]
            ])
        )
    }

    private func collect(_ hub: Hub, dryRun: Bool = false) async throws -> GarbageReport {
        try #require(try await hub.collectGarbage(dryRun: dryRun).first { $0.bucket == .dataSets })
    }

    private func collectAll(_ hub: Hub) async throws { _ = try await hub.collectGarbage(olderThan: .zero) }

    @Test func `Files that were stored hours ago stay while their document is still being saved`() async throws {
        try await withTestHub { hub in
            let first = [noise(300_000), noise(10, seed: 2)]
            let result = try await saving(hub, first, { try await hub.saveDataSet($0, name: "long") }) {
                try await age(hub)
                for isDry in [true, false, false] { #expect(try await collect(hub, dryRun: isDry).isClean) }
            }
            let stored = try result.get()
            for (file, bytes) in zip(stored.files, first + [[9, 9, 9]]) {
                #expect(try await hub.readWhole(file.blob.id) == bytes)
            }
            #expect(try await hub.uploads() == 0)
            #expect(try await hub.fileDocuments().allSatisfy { $0.value(atPath: "metadata.pending.0") == nil })
        }
    }

    @Test func `They go once nobody has said for long that the document is being saved`() async throws {
        try await withTestHub { hub in
            let uploads = hub.database.collection("datasetFilesystem.uploads")
            let result = try await saving(hub, [noise(300_000)], { try await hub.saveDataSet($0, name: "dead") }) {
                try await age(hub)
                try await uploads.updateMany([:], .document(["$set": ["heartbeat": .dateTime(Self.longAgo)]]))
                for isDry in [true, false] {
                    let report = try await collect(hub, dryRun: isDry)
                    #expect(report.staleUploads == 1 && report.staleReservations == 1)
                    #expect(report.unreferenced.map(\.length) == [300_000])
                }
                #expect(try await hub.fileDocuments().isEmpty)
            }
            // It was alive all the same: it learns of it, and leaves neither a document nor bytes.
            #expect(throws: HubError.self) { _ = try result.get() }
            #expect(try await hub.findDataSets().isEmpty)
            try await collectAll(hub)
            try await hub.expectNoBlobs()
        }
    }

    @Test func `A save that has lost one of its files takes all others back`() async throws {
        try await withTestHub { hub in
            let first = [noise(300_000), noise(10, seed: 2)]
            let result = try await saving(hub, first, { try await hub.saveDataSet($0, name: "long") }) {
                let files = hub.database.collection("datasetFilesystem.files")
                let lost = try #require(try await files.findOneAndDelete(["length": 300_000])?["_id"])
                try await hub.database.collection("datasetFilesystem.chunks").deleteMany(["files_id": lost])
            }
            let error = #expect(throws: HubError.self) { _ = try result.get() }
            #expect(error?.code == .blobLost)
            #expect(try await hub.findDataSets().isEmpty)
            try await hub.expectNoBlobs()
        }
    }

    @Test func `A reservation that was taken for left behind is made again where the file is still there`() async throws
    {
        try await withTestHub { hub in
            let result = try await saving(hub, [noise(10)], { try await hub.saveDataSet($0, name: "long") }) {
                try await hub.database.collection("datasetFilesystem.files").updateMany(
                    [:],
                    .document(["$set": ["metadata.pending": []]])
                )
            }
            let stored = try result.get()
            #expect(try await hub.readWhole(stored.files[0].blob.id) == noise(10))
        }
    }

    @Test func `A checkpoint that has lost a file does not take the place of the one before`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let runner = ObjectID()
            let session = hub.session(runner, name: "gpu")
            #expect(try await session.claim(1).tasks.map(\.id) == [id])
            let save = { @Sendable (files: [SourceFile]) async throws -> TaskCheckpoint in
                try await session.storeCheckpoint(files, of: AttemptID(task: id, number: 1), isDeclared: true)
            }
            let before = try await save([SourceFile(path: "epoch", source: .bytes([1]))])
            let files = hub.database.collection("checkpointfs.files")
            let result = try await saving(hub, [noise(300_000)], in: .checkpoints, { try await save($0.files) }) {
                try await files.deleteOne(["length": 300_000])
            }
            let error = #expect(throws: HubError.self) { _ = try result.get() }
            #expect(error?.code == .blobLost)
            #expect(try await hub.task(id).checkpoint?.files == before.files)
            #expect(try await hub.readWhole(before.files[0].blob.id, .checkpoints) == [1])
            #expect(try await hub.fileDocuments(.checkpoints).count == 1)
            #expect(try await hub.uploads(.checkpoints) == 0)
            // The next one is one like any other.
            let after = try await save([SourceFile(path: "epoch", source: .bytes([2]))])
            #expect(try await hub.task(id).checkpoint?.files == after.files)
            #expect(try await hub.fileDocuments(.checkpoints).count == 1)
        }
    }

    @Test func `A document that comes while its file is condemned makes it the one for further documents again`()
        async throws
    {
        try await withTestHub { hub in
            let owner = ObjectID()
            let blob = try await hub.storeBlob(.bytes([1]), in: .dataSets, for: owner)
            try await hub.insertOwner(of: blob, owner)
            // As a deleter leaves it that had seen no reservation, and is killed.
            try await hub.database.collection("datasetFilesystem.files").updateOne(
                ["_id": .objectID(blob.id)],
                .document([
                    "$set": [
                        "metadata.pending": [],
                        "metadata.condemned": ["by": .objectID(ObjectID()), "time": .dateTime(Self.longAgo)],
                    ],
                    "$unset": ["metadata.unique": ""],
                ])
            )
            try await hub.settleBlobs([blob.id], in: .dataSets, for: owner)
            #expect(try await hub.saveBlob([1]) == blob)
        }
    }

    @Test func `Two collections of garbage at once take all of it and nothing else`() async throws {
        try await withTestHub { hub in
            let kept = try await hub.saveDataSet(.bytes(noise(300_000), as: "f"), name: "kept")
            for seed in UInt64(10)..<30 {
                _ = try await hub.storeBlob(.bytes(noise(300_000, seed: seed)), in: .dataSets, for: ObjectID())
            }
            let first = (UInt64(40)..<44).map { noise(9, seed: $0) }
            let result = try await saving(hub, first, { try await hub.saveDataSet($0, name: "long") }) {
                try await age(hub)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<3 { group.addTask { _ = try await hub.collectGarbage() } }
                    try await group.waitForAll()
                }
                #expect(try await hub.fileDocuments().count == 5)
            }
            let blobs = try result.get().files + kept.files
            for file in blobs { #expect(try await hub.readWhole(file.blob.id).count == Int(file.blob.length)) }
            #expect(try await hub.fileDocuments().count == 6)
            #expect(try await collect(hub).isClean)
        }
    }
}
