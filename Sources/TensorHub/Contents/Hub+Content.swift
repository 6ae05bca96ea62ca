import BSON
import Logging
import MongoDriver

/// What data sets and models have in common: storing, with the steps in an order that leaves nothing half-written.
extension Hub {
    func collection(_ content: ContentCollection) -> MongoCollection { durable(content.name) }

    /// How many files are stored at once; files that arrive as streams come one after another.
    private static let filesAtOnce = 4
    /// How often a version is tried that somebody else may take first.
    private static let versionTries = 100
    /// Bytes of a document: what MongoDB takes, and some for what it adds to a statement.
    static let largestContentDocument = TaskSpec.maximumTaskSize

    /// Stores the files, then the document, then makes the files the document's own. However long it takes, nobody
    /// collects the first files meanwhile.
    ///
    /// - Parameters:
    ///   - fields: TensorLayer's fields before `hub`, given the blob of the first file.
    ///   - origin: What `hub` has besides.
    func saveContent(
        _ content: Content?,
        in collection: ContentCollection,
        name: String,
        tags: BSONDocument,
        id: ObjectID,
        uploader: ObjectID?,
        origin: BSONDocument,
        fields: @Sendable (_ time: BSONDateTime, _ blob: ObjectID?) -> BSONDocument
    ) async throws(HubError) -> BSONDocument {
        try Content.validate(name: name, noun: collection.noun)
        try Content.validate(tags: tags, reserved: collection.reservedNames)
        try content?.validate()
        // Before megabytes are moved for a document that is too large.
        let head = fields(BSONDateTime(millisecondsSince1970: 0), id)
        let size = tags.bytes.count + head.bytes.count + origin.bytes.count + (content.map(Self.estimatedSize) ?? 0)
        try Self.checkSize(size, collection)
        try await ensureIndexes(collection.indexes, of: self.collection(collection))
        if let stored = try await storedContent(id, in: collection, name: name) { return stored }

        func insert(_ files: [StoredFile]) async throws(HubError) -> BSONDocument {
            var head: BSONDocument = ["_id": .objectID(id)]
            for (key, value) in tags { head.append(key, value) }
            for (key, value) in fields(try await serverTime(), files.first?.blob.id) { head.append(key, value) }
            return try await insertContent(head, in: collection, name: name) { version in
                Self.hubDocument(content, files, version: version, origin: origin)
            }
        }
        guard let content, !content.files.isEmpty else { return try await insert([]) }
        let blobs = BlobStore(collection.bucket, of: self)
        return try await blobs.holding(id, uploader) { () async throws(HubError) in
            let (files, others, failure) = await storeWhole(content, in: collection.bucket, for: id, uploader: uploader)
            let ids = files.map(\.blob.id)
            do throws(HubError) {
                if let failure { throw failure }
                try await blobs.renew(ids, for: id)
                let stored = try await insert(files)
                try await settle(stored, ids, in: collection, for: id)
                await abandon(others.filter { !ids.contains($0) }, in: collection.bucket, for: id)
                return stored
            } catch {
                // Where nobody knows whether the document is there, what it may refer to stays reserved.
                if !error.isTransient { await abandon(ids + others, in: collection.bucket, for: id) }
                throw error
            }
        }
    }

    /// - Parameter ids: What was stored for it.
    private func settle(
        _ document: BSONDocument,
        _ ids: [ObjectID],
        in collection: ContentCollection,
        for id: ObjectID
    ) async throws(HubError) {
        // The same delivery, made twice at the same time, may have stored another copy of what was condemned just then.
        let named = ContentFields(document, collection).blobs
        let others = Set(ids).subtracting(named)
        if !others.isEmpty { await abandon(Array(others), in: collection.bucket, for: id) }
        do throws(HubError) {
            try await settleBlobs(named, in: collection.bucket, for: id)
        } catch {
            // A blob that was collected before the document came: no document without its bytes.
            if error.code == .blobLost {
                _ = try await translatingErrors { () async throws(MongoError) in
                    try await self.collection(collection).deleteOne(["_id": .objectID(id)])
                }
            }
            throw error
        }
    }

    /// A document that is there already, since it was saved before: delivering it again changes nothing.
    private func storedContent(_ id: ObjectID, in collection: ContentCollection, name: String)
        async throws(HubError) -> BSONDocument?
    {
        let stored = try await translatingErrors { () async throws(MongoError) in
            try await self.collection(collection).findOne(["_id": .objectID(id)])
        }
        guard let stored else { return nil }
        guard stored["project_name"] == .string(project), stored[collection.nameField] == .string(name) else {
            throw .invalid("_id", "another \(collection.noun) has the id \(id) already; leave the id out")
        }
        guard try await confirm(id, in: collection, name: name) else { return nil }
        let blobs = ContentFields(stored, collection).blobs
        if !blobs.isEmpty { try await settleBlobs(blobs, in: collection.bucket, for: id) }
        return stored
    }

    /// Waits until the majority has a document that was found: whoever stored it may have had no word of that.
    ///
    /// - Returns: Whether it is still there.
    private func confirm(_ id: ObjectID, in collection: ContentCollection, name: String) async throws(HubError) -> Bool
    {
        try await translatingErrors { () async throws(MongoError) in
            // Changes nothing; the server waits all the same for what was written before.
            try await self.collection(collection).idempotent.updateOne(
                ["_id": .objectID(id), collection.nameField: .string(name)],
                .document(["$set": [collection.nameField: .string(name)]])
            ).matched == 1
        }
    }

    private func insertContent(
        _ head: BSONDocument,
        in collection: ContentCollection,
        name: String,
        hub: (_ version: Int32) -> BSONDocument
    ) async throws(HubError) -> BSONDocument {
        let target = self.collection(collection)
        let id = head["_id"]?.objectIDValue ?? ObjectID()
        var failure: HubError?
        for _ in 0..<Self.versionTries {
            let version = try await nextVersion(of: name, in: collection)
            var document = head
            document.append("hub", .document(hub(version)))
            try Self.checkSize(document.bytes.count, collection)
            do throws(MongoError) {
                try await target.insertOne(document)
                return document
            } catch {
                if error.code != .duplicateKey && !error.isOutcomeUnknown { throw HubError(error) }
                failure = HubError(error)
            }
            // Either the same delivery came twice, or our own write won, or another has taken the version.
            let stored = try await translatingErrors { () async throws(MongoError) in
                try await target.findOne(["_id": .objectID(id)])
            }
            if let stored, try await confirm(id, in: collection, name: name) { return stored }
        }
        throw failure ?? HubError(.database, "no version of \(collection.noun) '\(name)' is free; try again")
    }

    private func nextVersion(of name: String, in collection: ContentCollection) async throws(HubError) -> Int32 {
        let filter: BSONDocument = [
            "project_name": .string(project), collection.nameField: .string(name),
            "hub.version": ["$type": "number"],
        ]
        let newest = try await translatingErrors { () async throws(MongoError) in
            try await self.collection(collection).findOne(
                filter,
                FindOptions(sort: ["hub.version": -1], projection: ["hub.version": 1])
            )
        }
        let version = newest?.value(atPath: "hub.version")?.doubleValue ?? 0
        guard version >= 0, version < Double(Int32.max) else {
            throw HubError(
                .wrongState,
                field: "hub.version",
                "\(collection.noun) '\(name)' has the version \(version), which has no next one; delete that document"
            )
        }
        return Int32(version) + 1
    }

    private static func hubDocument(
        _ content: Content?,
        _ files: [StoredFile],
        version: Int32,
        origin: BSONDocument
    ) -> BSONDocument {
        var hub: BSONDocument = ["v": 1]
        if let content { hub.append("kind", .string(content.kind.rawValue)) }
        if let form = content?.form { hub.append("form", .string(form)) }
        hub.append("version", .int32(version))
        if let content {
            hub.append("size", .int64(files.reduce(0) { $0 &+ $1.blob.length }))
            hub.append("sha256", Content.sha256(of: files, kind: content.kind).map(BSONValue.string) ?? .null)
            hub.append("files", .array(files.map { .document($0.document) }))
        }
        for (key, value) in origin { hub.append(key, value) }
        return hub
    }

    /// Bytes of `hub.files`.
    static func estimatedSize(_ content: Content) -> Int {
        content.files.reduce(0) { $0 + $1.path.utf8.count + 144 }
    }

    static func checkSize(_ size: Int, _ collection: ContentCollection) throws(HubError) {
        guard size > largestContentDocument else { return }
        throw .invalid(
            "files",
            "the document of the \(collection.noun) has \(size) bytes and the limit is \(largestContentDocument); "
                + "put fewer files into it (an archive, larger pieces), or less into its tags and architecture"
        )
    }

    /// Stores the files, several at once.
    ///
    /// - Returns: Those that are stored, in order, and why not all of them are.
    func store(
        _ files: [SourceFile],
        in bucket: BlobBucket,
        for owner: ObjectID,
        uploader: ObjectID?
    ) async -> (stored: [StoredFile], failure: HubError?) {
        let width = files.contains { if case .stream = $0.source { true } else { false } } ? 1 : Self.filesAtOnce
        return await withTaskGroup(of: (Int, Result<StoredFile, HubError>).self) { group in
            var stored: [(index: Int, file: StoredFile)] = []
            var failure: HubError?
            var next = 0
            func add(_ group: inout TaskGroup<(Int, Result<StoredFile, HubError>)>) {
                guard next < files.count, failure == nil else { return }
                let (index, file) = (next, files[next])
                next += 1
                group.addTask {
                    do throws(HubError) {
                        let blob = try await self.storeBlob(
                            file.source,
                            in: bucket,
                            for: owner,
                            sha256: file.sha256,
                            uploader: uploader
                        )
                        return (index, .success(StoredFile(path: file.path, mode: file.mode, blob: blob)))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            for _ in 0..<width { add(&group) }
            while let (index, result) = await group.next() {
                switch result {
                case .success(let file): stored.append((index, file))
                case .failure(let error):
                    if failure == nil { failure = error }
                    group.cancelAll()
                }
                add(&group)
            }
            return (stored.sorted { $0.index < $1.index }.map(\.file), failure)
        }
    }

    /// There will be no document: what was stored for it goes, unless others refer to it. What cannot be deleted now,
    /// the collection of garbage finds.
    private func abandon(_ blobs: [ObjectID], in bucket: BlobBucket, for owner: ObjectID) async {
        if blobs.isEmpty { return }
        // Awaited, but not cancelled with the caller: a cancelled save leaves nothing behind either.
        await Task {
            do throws(HubError) {
                // One that is lost must not keep the others.
                try await BlobStore(bucket, of: self).unreserve(blobs, for: owner)
                try await releaseBlobs(blobs, in: bucket)
            } catch {
                logger.warning(
                    "Cannot delete what a failed save has stored; it is garbage now",
                    metadata: ["bucket": "\(bucket.rawValue)", "error": "\(error)"]
                )
            }
        }.value
    }
}

/// What a document of either collection says of its blobs, whoever wrote it.
struct ContentFields {
    var blobs: [ObjectID]

    init(_ document: BSONDocument, _ collection: ContentCollection) {
        var found: [ObjectID] = []
        if let first = document[collection.blobField]?.objectIDValue { found.append(first) }
        for file in document.value(atPath: "hub.files")?.arrayValue ?? [] {
            if let blob = file.documentValue?["blob"]?.objectIDValue { found.append(blob) }
        }
        var seen: Set<ObjectID> = []
        blobs = found.filter { seen.insert($0).inserted }
    }
}
