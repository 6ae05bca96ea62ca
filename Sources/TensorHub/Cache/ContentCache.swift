import Files
import Glibc
import Logging
import MongoDriver

/// The data sets and models of a machine: each content once, verified, shared by all attempts and runners of the
/// machine, the least recently used out first.
///
/// `<folder>/blobs/<sha256>`, read-only, each with a modification time of one second after 1970: the sign that its
/// content was verified. Whoever writes to it afterwards changes that time, and then it is verified again before it is
/// used. The access time is set at each use, whatever the mount options. What is being downloaded has the name
/// `<sha256>.partial`, and `<folder>/locks/<sha256>` is locked (flock) meanwhile.
public struct ContentCache: Sendable {
    /// Its folder; several processes may use it at once.
    public let folder: String
    /// Bytes.
    public var limit: Int64

    /// - Parameter folder: Links in its path are followed now, those that come later are not: scripts can write there.
    public init(folder: String, limit: Int64) {
        self.folder = GuardedPath.withoutLinks(folder)
        self.limit = limit
    }

    /// Puts the files below a new folder `target`, each under its own path, as read-only hard links to the cache
    /// (copies, where the folder is on another file system). What the cache lacks is downloaded; of several that want
    /// the same at once, one does. Evicting a file from the cache does not take it from whoever has a link.
    ///
    /// A file with an executable bit is a copy: the content is one, whatever modes it has elsewhere.
    ///
    /// - Throws: `HubError.blobLost`, `.hashMismatch`, `.noSpace`, `.invalidInput` where a folder cannot be written or
    ///   a path leads out of it. Then `target` is not there.
    package func fetch(
        _ files: [StoredFile],
        in bucket: BlobBucket,
        of hub: Hub,
        to target: String
    ) async throws(HubError) -> LocalContent {
        for file in files { try Self.check(file.path) }
        do {
            try await hub.client.work {
                for path in [folder, folder + "/blobs", folder + "/locks"] {
                    guard let damage = try ContentFolder.makeOwn(path) else { continue }
                    hub.logger.error("The cache was damaged", metadata: ["path": "\(path)", "reason": "\(damage)"])
                }
                try ContentFolder.makeNew(target)
            }
            do {
                let wanted = try await entries(files, in: bucket, of: hub)
                try await withRoom(for: wanted, of: hub) { room in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        var rest = wanted[...]
                        // A few at once: small files are all waiting.
                        for _ in 0..<4 {
                            if let next = rest.popFirst() {
                                group.addTask { try await provide(next, room, of: hub, at: target) }
                            }
                        }
                        while try await group.next() != nil {
                            if let next = rest.popFirst() {
                                group.addTask { try await provide(next, room, of: hub, at: target) }
                            }
                        }
                    }
                }
            } catch {
                _ = try? await hub.client.work { FolderTree.remove(target) }
                throw error
            }
        } catch {
            throw HubError(transfer: error)
        }
        return LocalContent(
            folder: target,
            files: files.map { LocalContent.File(path: $0.path, localPath: "\(target)/\($0.path)") }
        )
    }

    /// Bytes that the cache holds.
    package func size() -> Int64 {
        GuardedPath.names(folder + "/blobs").reduce(0) { total, name in
            total.addingClamped(Int64(ContentFolder.status("\(folder)/blobs/\(name)")?.st_size ?? 0))
        }
    }

    /// One file as the cache knows it.
    struct Entry: Sendable {
        var file: StoredFile
        /// In `blobs`.
        var name: String
        var bucket: BlobBucket
    }

    /// A blob whose hash nobody has stored is known by its database, its bucket and its identifier.
    private func entries(
        _ files: [StoredFile],
        in bucket: BlobBucket,
        of hub: Hub
    ) async throws(HubError) -> [Entry] {
        var database: String?
        var entries: [Entry] = []
        for file in files {
            if let hash = file.blob.sha256, ContentHash.isValid(hash) {
                entries.append(Entry(file: file, name: hash, bucket: bucket))
                continue
            }
            let id = try await identity(of: hub, bucket, known: &database)
            entries.append(Entry(file: file, name: "id-\(id)-\(file.blob.id)", bucket: bucket))
        }
        return entries
    }

    /// The UUID of the bucket's collection of files, which no other database has.
    private func identity(
        of hub: Hub,
        _ bucket: BlobBucket,
        known: inout String?
    ) async throws(HubError) -> String {
        if let known { return known }
        let id = try await hub.identity(of: bucket.rawValue + ".files")
        known = id
        return id
    }

    /// - Throws: Where a path could lead out of the folder: it comes from a document that anybody may have written.
    static func check(_ path: String) throws(HubError) {
        guard StoredFile.isRelative(path) else {
            throw .invalid(
                "path",
                "the path '\(path)' of a stored file is not one below a folder; store it under another"
            )
        }
    }
}
