import BSON
import Logging
import MongoDriver

/// What is on its way.
extension BlobStore {
    /// How often an upload says that it goes on.
    private static let heartbeat: Duration = .seconds(15)

    /// Says that chunks of that file are going to come. Not for the majority to know: the chunks are not either.
    ///
    /// - Parameter isKept: Whether it shall outlive a change of the primary.
    func begin(_ id: ObjectID, _ uploader: ObjectID?, isKept: Bool = false) async throws(HubError) {
        let time = try await hub.serverTime()
        var document: BSONDocument = [
            "_id": .objectID(id), "started": .dateTime(time), "heartbeat": .dateTime(time),
        ]
        if let uploader { document.append("uploader", .objectID(uploader)) }
        try await retrying { () async throws(MongoError) in
            do throws(MongoError) {
                try await (isKept ? uploads : uploads.with(WriteConcern(.members(1)))).insertOne(document)
            } catch {
                // The answer to the first try was lost.
                if error.code != .duplicateKey { throw error }
            }
        }
    }

    /// Runs an upload that says all the while that it goes on, even when its source is slow.
    func beating<Value: Sendable>(_ id: ObjectID, _ body: () async throws -> Value) async throws -> Value {
        // A heartbeat that fails is no reason to stop: `confirm` tells whether anybody took the chunks.
        try await beating({ _ = try? await beat(id, uploads.with(WriteConcern(.members(1)))) }, body)
    }

    private func beating<Value: Sendable>(
        _ beat: @escaping @Sendable () async -> Void,
        _ body: () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.heartbeat)
                    await beat()
                }
            }
            defer { group.cancelAll() }
            return try await body()
        }
    }

    /// Saves a document, and says all the while that it is being saved: its reservations are not collected meanwhile,
    /// however old the first of them becomes. `renew` tells whether one was all the same.
    func holding<Value: Sendable>(
        _ owner: ObjectID,
        _ uploader: ObjectID?,
        _ body: () async throws(HubError) -> Value
    ) async throws(HubError) -> Value {
        try await ensureIndexes()
        // Before the first reservation: who finds that, finds this.
        try await retrying { () async throws(MongoError) in try await hold(owner, uploader) }
        do throws(HubError) {
            let value = try await transferring {
                try await beating({ try? await hold(owner, uploader) }, body)
            }
            await letGo(of: owner)
            return value
        } catch {
            // Where nobody knows whether the document is there, what it may refer to is held for a while.
            if !error.isTransient { await letGo(of: owner) }
            throw error
        }
    }

    /// Makes the entry where it is missing: the end of another process that saved the same document may have taken it
    /// away.
    private func hold(_ owner: ObjectID, _ uploader: ObjectID?) async throws(MongoError) {
        var fields: BSONDocument = [
            "saving": true, "started": ["$ifNull": ["$started", "$$NOW"]], "heartbeat": "$$NOW",
        ]
        if let uploader { fields.append("uploader", .objectID(uploader)) }
        do throws(MongoError) {
            try await uploads.with(WriteConcern(.members(1))).updateOne(
                ["_id": .objectID(owner)],
                .pipeline([["$set": .document(fields)], ["$unset": "dropped"]]),
                upsert: true
            )
        } catch {
            // Somebody else has made it at the same time.
            if error.code != .duplicateKey { throw error }
        }
    }

    private func letGo(of owner: ObjectID) async {
        // Awaited, but not cancelled with the caller. What MongoDB does not hear of is dropped when its heartbeat is
        // old.
        await Task {
            _ = try? await uploads.with(WriteConcern(.members(1))).deleteOne(["_id": .objectID(owner), "saving": true])
        }.value
    }

    /// - Returns: Whether nobody has dropped the upload.
    private func beat(_ id: ObjectID, _ uploads: MongoCollection) async throws(MongoError) -> Bool {
        try await uploads.updateOne(
            ["_id": .objectID(id), "dropped": ["$exists": false]],
            .document(["$currentDate": ["heartbeat": true]])
        ).matched == 1
    }

    /// How often chunks that were taken back are sent again.
    private static let mendings = 5

    /// All chunks are there and will stay: this write is acknowledged by the majority, so all before it are, and
    /// whatever a change of primary has taken back is missing in the count.
    ///
    /// - Parameter mend: Sends again what is missing; `nil` where that is the caller's affair.
    func confirm(
        _ id: ObjectID,
        chunks: Int,
        mend: (() async throws(HubError) -> Void)? = nil
    ) async throws(HubError) {
        for mending in 0... {
            let goesOn = try await retrying { () async throws(MongoError) in try await beat(id, uploads) }
            var counted = gridFS.chunks
            counted.readConcern = .majority
            let count = try await retrying { () async throws(MongoError) in
                try await counted.countDocuments(["files_id": .objectID(id)])
            }
            if goesOn, count == chunks { return }
            let entry = try await retrying { () async throws(MongoError) in
                try await uploads.findOne(["_id": .objectID(id)])
            }
            if let mend, mending < Self.mendings, entry?["dropped"] != true {
                // The entry in the list may have been taken back too.
                if entry == nil { try await begin(id, nil, isKept: true) }
                try await mend()
                continue
            }
            throw HubError(
                .database,
                "of \(chunks) chunks of an upload to \(bucket.rawValue) \(count) are left"
                    + (goesOn ? " after a change of the primary" : ": somebody has dropped it") + "; upload it again"
            )
        }
    }

    /// The file's document is there. An upload that cannot be taken from the list now is taken from it by the
    /// collection of garbage, which finds the document.
    ///
    /// - Throws: Where somebody has dropped the upload just before the document came: then that is taken back.
    func end(_ id: ObjectID, chunks: Int) async throws(HubError) {
        let mine: BSONDocument = ["_id": .objectID(id), "dropped": ["$exists": false]]
        guard let ended = try? await uploads.with(WriteConcern(.members(1))).deleteOne(mine), ended == 0 else { return }
        // Whoever drops it may be at work just now: the list tells when that is done.
        _ = try await retrying { () async throws(MongoError) in
            while try await uploads.findOne(["_id": .objectID(id)]) != nil {
                do { try await Task.sleep(for: .milliseconds(100)) } catch { return }
            }
        }
        let left = try await retrying { () async throws(MongoError) in
            try await gridFS.chunks.countDocuments(["files_id": .objectID(id)])
        }
        if left == chunks { return }
        _ = try await retrying { () async throws(MongoError) in try await files.deleteOne(["_id": .objectID(id)]) }
        await discard(id)
        throw HubError(
            .database,
            "somebody has dropped an upload to \(bucket.rawValue) that took too long; upload it again"
        )
    }

    /// Takes back what an upload has written; what MongoDB does not hear of is left to the collection of garbage.
    func discard(_ id: ObjectID) async {
        do {
            try await gridFS.deleteChunks(of: .objectID(id))
            try await uploads.deleteOne(["_id": .objectID(id)])
        } catch {
            hub.logger.info(
                "An upload left chunks behind; the collection of garbage will find them",
                metadata: ["bucket": "\(bucket.rawValue)", "file": "\(id)", "error": "\(error)"]
            )
        }
    }

    /// Deletes the uploads that match, with their chunks. Marked first: whoever does go on is stopped by `confirm`, and
    /// whoever is killed here can be followed by somebody else.
    ///
    /// - Returns: How many, and their chunks.
    func drop(_ filter: BSONDocument) async throws(HubError) -> (uploads: Int, chunks: Int) {
        _ = try await retrying { () async throws(MongoError) in
            try await uploads.updateMany(filter, .document(["$set": ["dropped": true]]))
        }
        var result = (uploads: 0, chunks: 0)
        let dropped = try await retrying { () async throws(MongoError) in
            try await uploads.findAll(["$and": [.document(filter), ["dropped": true]]])
        }
        for upload in dropped {
            guard let id = upload["_id"], id.isPlainIdentifier else { continue }
            // The last step of an upload whose file is there may be missing.
            let isStored = try await retrying { () async throws(MongoError) in try await gridFS.file(id) != nil }
            if !isStored {
                result.chunks += try await retrying { () async throws(MongoError) in
                    try await gridFS.deleteChunks(of: id)
                }
            }
            // Who saves a document takes back that it was dropped.
            let mine: BSONDocument = ["_id": id, "dropped": true]
            _ = try await retrying { () async throws(MongoError) in try await uploads.deleteOne(mine) }
            if upload["saving"] != true { result.uploads += 1 }
        }
        return result
    }
}
