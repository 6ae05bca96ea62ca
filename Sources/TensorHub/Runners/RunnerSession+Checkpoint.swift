package import BSON
import MongoDriver

/// The checkpoint of a task: files in bucket `checkpointfs`, named by `hub.checkpoint`, so that its next attempt finds
/// them on whatever machine that is.
extension RunnerSession {
    /// Stores the files of an attempt's checkpoint folder in place of the checkpoint that the task had. Safe to repeat.
    ///
    /// - Parameter isDeclared: Whether the script has called a checkpoint complete, in this attempt or in one before
    ///   it.
    /// - Throws: `HubError.wrongState` where the attempt is no longer that runner's; nothing is kept then.
    package func storeCheckpoint(
        _ files: [SourceFile],
        of id: AttemptID,
        isDeclared: Bool,
        uploader: ObjectID? = nil
    ) async throws(HubError) -> TaskCheckpoint {
        // Each stored checkpoint is an owner of its own until the task names it.
        let owner = ObjectID()
        let blobs = BlobStore(.checkpoints, of: hub)
        return try await blobs.holding(owner, uploader) { () async throws(HubError) in
            try await storeCheckpoint(
                files,
                TaskCheckpoint(attempt: id.number, isDeclared: isDeclared, files: []),
                of: id,
                uploader: uploader,
                owner,
                blobs
            )
        }
    }

    private func storeCheckpoint(
        _ files: [SourceFile],
        _ empty: TaskCheckpoint,
        of id: AttemptID,
        uploader: ObjectID?,
        _ owner: ObjectID,
        _ blobs: BlobStore
    ) async throws(HubError) -> TaskCheckpoint {
        var stored = empty
        do throws(HubError) {
            for file in files {
                let blob = try await hub.storeBlob(
                    file.source,
                    in: .checkpoints,
                    for: owner,
                    sha256: file.sha256,
                    uploader: uploader
                )
                stored.files.append(StoredFile(path: file.path, mode: file.mode, blob: blob))
            }
            let ids = stored.files.map(\.blob.id)
            // A checkpoint without its bytes must not take the place of one that has them.
            try await blobs.renew(ids, for: owner)
            let fence = fence(id)
            let before = try await translatingErrors { [stored] () async throws(MongoError) in
                let before = try await hub.tasks.findOne(fence, FindOptions(projection: ["hub.checkpoint": 1]))
                let update = TaskStatements.setCheckpoint(stored)
                let result = try await hub.tasks.updateOne(fence, .pipeline(update))
                return result.matched == 0 ? nil : before ?? [:]
            }
            guard let before else {
                throw HubError(.wrongState, "the checkpoint does not count: the attempt is no longer this runner's")
            }
            try await hub.settleBlobs(ids, in: .checkpoints, for: owner)
            let superseded = Set(TaskRecord(before).checkpoint?.files.map(\.blob.id) ?? []).subtracting(ids)
            if !superseded.isEmpty { try await hub.releaseBlobs(Array(superseded), in: .checkpoints) }
            return stored
        } catch {
            if !error.isTransient {
                let ids = stored.files.map(\.blob.id)
                // Where this fails too, the collector of orphans finds them. One that is lost must not keep the others.
                try? await blobs.unreserve(ids, for: owner)
                try? await hub.releaseBlobs(ids, in: .checkpoints)
            }
            throw error
        }
    }
}

extension TaskStatements {
    static func setCheckpoint(_ checkpoint: TaskCheckpoint) -> [BSONDocument] {
        let document: BSONDocument = [
            "attempt": .init(smallest: checkpoint.attempt), "time": "$$NOW", "declared": .bool(checkpoint.isDeclared),
            "files": ["$literal": .array(checkpoint.files.map { .document($0.document) })],
        ]
        return guarded([["$set": ["hub.checkpoint": ["$mergeObjects": [.document(document)]]]]])
    }
}
