import BSON
import Glibc
import MongoDriver

extension BlobStore {
    /// Brings a blob into a new file.
    func download(_ blob: Blob, to path: String) async throws(HubError) {
        guard let file = try await file(blob.id) else { throw lost(blob.id) }
        let target = try await transferring {
            // A file system that cannot reserve space is given all of it as zeros.
            try await hub.client.bulk { try BlobFile.create(path, size: file.length) }
        }
        do throws(HubError) {
            let expected = blob.sha256 ?? file.metadata?["sha256"]?.stringValue
            do throws(HubError) {
                try await download(file, to: target, expected: expected)
            } catch {
                guard error.code == .hashMismatch else { throw error }
                // Once more: what was wrong may have been the way.
                try await download(file, to: target, expected: expected)
            }
        } catch {
            unlink(path)
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
