import BSON
import MongoDriver

/// The store's way out.
extension BlobStore {
    /// The document is about to be written: all its files are there and reserved, so nobody deletes one before it
    /// comes. A reservation that was taken for left behind is made again where its file is still there.
    ///
    /// - Throws: `.blobLost` where a file was collected.
    func renew(_ ids: [ObjectID], for owner: ObjectID) async throws(HubError) {
        for piece in Array(Set(ids)).pieces(of: 1000) {
            let missing = try await unreserved(piece, for: owner)
            if missing.isEmpty { continue }
            let reservation: BSONDocument = ["id": .objectID(owner), "time": .dateTime(try await hub.serverTime())]
            _ = try await retrying { () async throws(MongoError) in
                try await files.updateMany(
                    [
                        "_id": ["$in": .array(missing.map(BSONValue.objectID))],
                        "metadata.condemned": ["$exists": false],
                    ],
                    .document(["$addToSet": ["metadata.pending": .document(reservation)]])
                )
            }
            if let id = try await unreserved(missing, for: owner).first { throw lost(id) }
        }
    }

    private func unreserved(_ ids: [ObjectID], for owner: ObjectID) async throws(HubError) -> [ObjectID] {
        let reserved = try await retrying { () async throws(MongoError) in
            try await files.findAll(
                ["_id": ["$in": .array(ids.map(BSONValue.objectID))], "metadata.pending.id": .objectID(owner)],
                FindOptions(projection: ["_id": 1])
            )
        }
        let found = Set(reserved.compactMap { $0["_id"]?.objectIDValue })
        return ids.filter { !found.contains($0) }
    }

    /// The document is there: it holds the files, and no reservation is needed. Whoever has condemned one of them
    /// meanwhile is told to count again.
    ///
    /// - Throws: `.blobLost` where a file was collected before the document came.
    func settle(_ ids: [ObjectID], for owner: ObjectID) async throws(HubError) {
        for piece in ids.pieces(of: 1000) {
            try await unreserve(piece, for: owner)
            let left = try await retrying { () async throws(MongoError) in
                try await files.findAll(["_id": ["$in": .array(piece.map(BSONValue.objectID))]])
            }
            let found = Set(left.compactMap { $0["_id"]?.objectIDValue })
            if let missing = piece.first(where: { !found.contains($0) }) { throw lost(missing) }
            for file in left.map(GridFSFile.init) {
                guard let metadata = file.metadata, metadata["unique"] == nil, metadata["damaged"] == nil else {
                    continue
                }
                // Whoever condemned it will not pardon it any more.
                try await pardon(["_id": file.id, "metadata.condemned": ["$exists": false]], file)
            }
        }
    }

    /// Takes the reservations of a document back, wherever there are any.
    func unreserve(_ ids: [ObjectID], for owner: ObjectID) async throws(HubError) {
        for piece in ids.pieces(of: 1000) {
            _ = try await retrying { () async throws(MongoError) in
                try await files.updateMany(
                    ["_id": ["$in": .array(piece.map(BSONValue.objectID))]],
                    .document([
                        "$pull": ["metadata.pending": ["id": .objectID(owner)]],
                        "$unset": ["metadata.condemned": ""],
                    ])
                )
            }
        }
    }

    /// Deletes those files that no document refers to.
    ///
    /// - Returns: Those deleted, and how many chunks.
    @discardableResult
    func release(_ ids: [ObjectID]) async throws(HubError) -> (blobs: [ObjectID], chunks: Int) {
        var result = (blobs: [ObjectID](), chunks: 0)
        for piece in Array(Set(ids)).pieces(of: 1000) {
            // Most often it is plain: another document refers to it. Then nothing is written.
            let referred = try await referred(piece)
            for id in piece where !referred.contains(id) {
                guard let chunks = try await condemn(id) else { continue }
                result.blobs.append(id)
                result.chunks += chunks
            }
        }
        return result
    }

    /// - Returns: How many chunks were deleted; `nil` where the file is kept, or is not there.
    private func condemn(_ id: ObjectID) async throws(HubError) -> Int? {
        let verdict = ObjectID()
        let now = try await hub.serverTime()
        let file = try await retrying { () async throws(MongoError) in
            try await files.findAndModify(
                ["_id": .objectID(id), "metadata.pending.0": ["$exists": false]],
                .document([
                    "$set": ["metadata.condemned": ["by": .objectID(verdict), "time": .dateTime(now)]],
                    "$unset": ["metadata.unique": ""],
                ])
            )
        }
        guard let file else { return nil }
        let mine: BSONDocument = ["_id": .objectID(id), "metadata.condemned.by": .objectID(verdict)]
        if try await referred([id]).contains(id) {
            try await pardon(mine, GridFSFile(file))
            return nil
        }
        let isDeleted = try await retrying { () async throws(MongoError) in try await files.deleteOne(mine) > 0 }
        // After a lost answer the first try may have been the one.
        if !isDeleted, try await self.file(id) != nil { return nil }
        return try await retrying { () async throws(MongoError) in try await gridFS.deleteChunks(of: .objectID(id)) }
    }

    /// Lets a file live that is referred to. It is unique again, unless it is damaged or the same content was stored
    /// once more meanwhile.
    func pardon(_ filter: BSONDocument, _ file: GridFSFile) async throws(HubError) {
        if let hash = file.metadata?["sha256"] {
            var sound = filter
            sound.append("metadata.damaged", ["$exists": false])
            do throws(MongoError) {
                _ = try await MongoError.retrying(for: gridFS.patience) { [sound] () async throws(MongoError) in
                    try await files.updateOne(
                        sound,
                        .document(["$unset": ["metadata.condemned": ""], "$set": ["metadata.unique": hash]])
                    )
                }
            } catch {
                guard error.code == .duplicateKey else { throw HubError(error) }
            }
        }
        _ = try await retrying { () async throws(MongoError) in
            try await files.updateOne(filter, .document(["$unset": ["metadata.condemned": ""]]))
        }
    }

    /// Which of the files any document of any project refers to, by the newest state.
    func referred(_ ids: [ObjectID]) async throws(HubError) -> Set<ObjectID> {
        let wanted = ids.map(BSONValue.objectID)
        var found: Set<ObjectID> = []
        for (name, fields) in references {
            let collection = hub.durable(name)
            for field in fields {
                let value = BSONValue.string("$" + field)
                // Of a folder of many files only what is asked for travels.
                let part: BSONValue = [
                    "$cond": [["$isArray": [value]], ["$setIntersection": [value, .array(wanted)]], value]
                ]
                let documents = try await retrying { () async throws(MongoError) in
                    try await collection.aggregateAll([
                        ["$match": .document([field: ["$in": .array(wanted)]])],
                        ["$project": ["_id": 0, "ids": part]],
                    ])
                }
                for document in documents {
                    switch document["ids"] {
                    case .objectID(let id): found.insert(id)
                    case .array(let values): found.formUnion(values.compactMap(\.objectIDValue))
                    default: break
                    }
                }
            }
        }
        return found.intersection(ids)
    }
}

extension Array {
    /// The elements in order, in arrays of at most so many.
    func pieces(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min(count, $0 + size)]) }
    }
}
