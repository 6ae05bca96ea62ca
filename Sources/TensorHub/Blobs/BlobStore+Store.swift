import BSON
import Files
import Glibc
import MongoDriver
import Synchronization

/// The store's way in.
extension BlobStore {
    func store(
        _ source: BlobSource,
        for owner: ObjectID,
        sha256 known: String?,
        uploader: ObjectID?
    ) async throws(HubError) -> Blob {
        if let known, !ContentHash.isValid(known) {
            throw .invalid("sha256", "sha256: '\(known)' is not 64 hexadecimal digits in lower case")
        }
        try await ensureIndexes()
        switch source {
        case .bytes(let bytes):
            let hash = known ?? SHA256.hex(of: bytes)
            if let blob = try await reserve(hash, for: owner) { return blob }
            let position = Mutex(0)
            let source = RereadableSource { buffer, offset in
                bytes.withUnsafeBytes { bytes in
                    let piece = bytes[min(Int(offset), bytes.count)...].prefix(buffer.count)
                    buffer.copyBytes(from: piece)
                    return piece.count
                }
            }
            return try await upload(for: owner, sha256: known, uploader: uploader, again: source) { id, hash in
                try await gridFS.uploadChunks(of: id) { batch in
                    position.withLock { position in
                        position += bytes.withUnsafeBytes {
                            batch.append(UnsafeRawBufferPointer(rebasing: $0[position...]))
                        }
                    }
                    batch.forEachContent { hash.update($0) }
                }
            }
        case .file(let path):
            for _ in 1..<FileState.tries {
                do throws(HubError) {
                    return try await store(file: path, for: owner, sha256: known, uploader: uploader)
                } catch {
                    guard error.isChange else { throw error }
                }
            }
            return try await store(file: path, for: owner, sha256: known, uploader: uploader)
        case .stream(let stream):
            if let known, let blob = try await reserve(known, for: owner) { return blob }
            var pieces = PieceReader(stream)
            var bucket = gridFS
            // Nobody can read it again: what is acknowledged must have come to stay.
            if hub.patience != nil { bucket.chunks.writeConcern = .majority }
            let kept = bucket
            return try await upload(for: owner, sha256: known, uploader: uploader, again: nil) { id, hash in
                try await kept.uploadChunks(of: id) { batch in
                    try await pieces.fill(batch)
                    try await hub.client.work { batch.forEachContent { hash.update($0) } }
                }
            }
        }
    }

    /// - Throws: `HubError.changed` where somebody has written to it meanwhile; nothing is left of it then.
    private func store(
        file path: String,
        for owner: ObjectID,
        sha256 known: String?,
        uploader: ObjectID?
    ) async throws(HubError) -> Blob {
        // What an attempt stores, its script may have put a link in the place of.
        let file = try await transferring {
            try await hub.client.work { try BlobFile.open(path, followingLinks: uploader == nil) }
        }
        let status = try file.status()
        let state = FileState(status)
        // A hash that is known tells a mixture by itself.
        let wait = known == nil ? state.unsureFor : .zero
        if wait > .zero { try await transferring { try await Task.sleep(for: wait) } }
        func check() throws(HubError) {
            if known == nil, FileState(try file.status()) != state { throw .changed(path) }
        }
        var hash = known
        // Only what has the length of something stored can be stored already: all else is read just once.
        if hash == nil, try await isStored(length: Int64(status.st_size)) {
            hash = try await transferring { try await file.hash(by: hub.client) }
            try check()
        }
        if let hash, let blob = try await reserve(hash, for: owner) { return blob }
        let position = Mutex(Int64(0))
        let source = RereadableSource(
            hash: { try await file.hash(by: hub.client) },
            read: { try file.read($0, at: $1) }
        )
        return try await upload(for: owner, sha256: known, uploader: uploader, again: source) { id, hash in
            let uploaded = try await gridFS.uploadChunks(of: id) { batch in
                try position.withLock { position in
                    try batch.fill { buffer in
                        let count = try file.read(buffer, at: position)
                        position += Int64(count)
                        return count
                    }
                }
                batch.forEachContent { hash.update($0) }
            }
            try check()
            return uploaded
        }
    }

    /// Reserves the file that has this content, if there is one.
    private func reserve(_ hash: String, for owner: ObjectID) async throws(HubError) -> Blob? {
        let time = try await hub.serverTime()
        let file = try await retrying { () async throws(MongoError) in
            try await files.findAndModify(
                ["metadata.unique": .string(hash), "metadata.condemned": ["$exists": false]],
                .document(["$addToSet": ["metadata.pending": ["id": .objectID(owner), "time": .dateTime(time)]]])
            )
        }
        return file.flatMap { Self.blob(GridFSFile($0)) }
    }

    private func isStored(length: Int64) async throws(HubError) -> Bool {
        try await retrying { () async throws(MongoError) in
            try await files.findOne(
                ["length": .int64(length), "metadata.unique": ["$exists": true]],
                FindOptions(projection: ["_id": 1])
            ) != nil
        }
    }

    /// - Parameters:
    ///   - sha256: What the content has to have.
    ///   - source: Where chunks that a change of the primary has taken back are read once more; `nil` where they cannot
    ///     be.
    ///   - send: Inserts the chunks of that file, and has their content hashed.
    private func upload(
        for owner: ObjectID,
        sha256 expected: String?,
        uploader: ObjectID?,
        again source: RereadableSource?,
        send: (_ id: ObjectID, _ hash: ContentHash) async throws -> GridFSBucket.Uploaded
    ) async throws(HubError) -> Blob {
        let id = ObjectID()
        try await begin(id, uploader, isKept: source == nil && hub.patience != nil)
        let (hash, uploaded): (String, GridFSBucket.Uploaded)
        do throws(HubError) {
            let content = ContentHash()
            uploaded = try await transferring { try await beating(id) { try await send(id, content) } }
            hash = content.finish()
            if let expected, expected != hash {
                throw HubError(
                    .hashMismatch,
                    field: "sha256",
                    "the content has SHA-256 \(hash), not \(expected); nothing was stored"
                )
            }
            // A runner delivers the whole again, and whoever takes a dead attempt's uploads away must not meet new
            // ones.
            if let source, uploader == nil, hub.patience != nil {
                try await confirm(id, chunks: uploaded.chunks) { () async throws(HubError) in
                    try await restore(id, uploaded, hash, from: source)
                }
            } else {
                try await confirm(id, chunks: uploaded.chunks)
            }
        } catch {
            await discard(id)
            throw error
        }
        let blob: Blob
        do throws(HubError) {
            blob = try await insert(Blob(id: id, length: uploaded.length, sha256: hash), hash, for: owner)
        } catch {
            // Where nobody knows whether the file's document is there, its chunks must stay; the collection of garbage
            // finds out.
            if !error.isTransient { await discard(id) }
            throw error
        }
        if blob.id == id {
            try await end(id, chunks: uploaded.chunks)
        } else {
            await discard(id)
        }
        return blob
    }

    private func restore(
        _ id: ObjectID,
        _ uploaded: GridFSBucket.Uploaded,
        _ hash: String,
        from source: RereadableSource
    ) async throws(HubError) {
        try await transferring {
            // It may be another content by now, of which a part must not be mixed in.
            if let now = try await source.hash?(), now != hash {
                throw HubError.invalid("content", "the content has changed while it was stored; store it again")
            }
            try await gridFS.restoreChunks(of: id, length: uploaded.length, reading: source.read)
        }
    }

    /// Inserts the file's document. Where another program has stored the same content meanwhile, that one is reserved.
    private func insert(_ blob: Blob, _ hash: String, for owner: ObjectID) async throws(HubError) -> Blob {
        let time = try await hub.serverTime()
        while true {
            let document = GridFSBucket.document(
                id: blob.id,
                length: blob.length,
                uploadDate: time,
                metadata: [
                    "sha256": .string(hash), "unique": .string(hash),
                    "pending": [["id": .objectID(owner), "time": .dateTime(time)]],
                ]
            )
            do throws(MongoError) {
                try await gridFS.insertFile(document)
                return blob
            } catch {
                guard error.code == .duplicateKey else { throw HubError(error) }
            }
            // It may have been condemned between the two; then the index has let go of it.
            if let stored = try await reserve(hash, for: owner) { return stored }
        }
    }

    func transferring<Value>(_ body: () async throws -> Value) async throws(HubError) -> Value {
        do {
            return try await body()
        } catch {
            throw HubError(transfer: error)
        }
    }
}

/// A content that can be read a second time, from any place.
struct RereadableSource: Sendable {
    /// Its hash as it is by now; `nil` where it cannot change.
    var hash: (@Sendable () async throws -> String)?
    /// Puts bytes from a place on into memory; returns how many, 0 at the end.
    var read: @Sendable (UnsafeMutableRawBufferPointer, _ offset: Int64) throws -> Int
}
