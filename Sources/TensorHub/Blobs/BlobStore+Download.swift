import BSON
import Files
import Glibc
import Logging
import MongoDriver

extension BlobStore {
    /// Brings a blob into a new file.
    func download(_ blob: Blob, to path: String, followingLinks: Bool) async throws(HubError) {
        guard let file = try await file(blob.id) else { throw lost(blob.id) }
        let expected = blob.sha256 ?? file.metadata?["sha256"]?.stringValue
        let target = try await transferring {
            // A file system that cannot reserve space is given all of it as zeros.
            try await hub.client.bulk { try BlobFile.create(path, size: file.length, followingLinks: followingLinks) }
        }
        do throws(HubError) {
            do throws(HubError) {
                try await download(file, to: target, expected: expected)
            } catch {
                guard error.code == .hashMismatch else { throw error }
                // Once more: what was wrong may have been the way.
                try await download(file, to: target, expected: expected)
            }
        } catch {
            if followingLinks { unlink(path) } else { FolderTree.remove(path) }
            await noteDamage(error, file)
            throw error
        }
    }

    private func download(_ file: GridFSFile, to target: BlobFile, expected: String?) async throws(HubError) {
        let hash = ContentHash()
        var digest: (@Sendable (UnsafeRawBufferPointer) -> Void)?
        if expected != nil { digest = { hash.update($0) } }
        try await transferring {
            try await gridFS.download(file, write: { try target.write($0, at: $1) }, digest: digest)
        }
        if let expected { try compare(hash.finish(), expected, file.id.objectIDValue) }
    }

    /// Where the content of a file has turned out to be lost or wrong, the same content saved again is not taken for
    /// it, but stored anew.
    func noteDamage(_ error: HubError, _ file: GridFSFile) async {
        guard error.code == .hashMismatch || error.code == .blobLost, let unique = file.metadata?["unique"] else {
            return
        }
        do throws(HubError) {
            let time = try await hub.serverTime()
            _ = try await retrying { () async throws(MongoError) in
                try await files.updateOne(
                    ["_id": file.id, "metadata.unique": unique],
                    .document(["$unset": ["metadata.unique": ""], "$set": ["metadata.damaged": .dateTime(time)]])
                )
            }
        } catch {
            // The next one who reads it says so again.
            hub.logger.warning(
                "Cannot note that a file of GridFS is damaged",
                metadata: ["bucket": "\(bucket.rawValue)", "file": "\(file.id)", "error": "\(error)"]
            )
        }
    }

    func compare(_ found: String, _ expected: String, _ id: ObjectID?) throws(HubError) {
        guard found != expected else { return }
        throw HubError(
            .hashMismatch,
            field: "blob",
            "file \(id.map { "\($0)" } ?? "?") of GridFS bucket \(bucket.rawValue) has SHA-256 \(found) where"
                + " \(expected) was stored; the content is refused, store it again"
        )
    }
}
