import BSON
import CLinux
import Files
import Glibc
import MongoDriver

extension ContentCache {
    /// Makes room for what the cache lacks, and brings it back to its limit when that has come: others fetch meanwhile.
    func withRoom(for wanted: [Entry], of hub: Hub, _ body: (FetchRoom) async throws -> Void) async throws {
        let missing = try await hub.client.work { self.missing(wanted) }
        let room = FetchRoom(wanted: Set(wanted.map(\.name.bytes)), missing: missing, step: limit / 8)
        if missing.isEmpty { return try await body(room) }
        try await hub.client.work { evict(room) }
        let result: Result<Void, any Error>
        do { result = .success(try await body(room)) } catch { result = .failure(error) }
        _ = try? await hub.client.work { evict(FetchRoom(wanted: room.wanted, missing: [:], step: 0)) }
        try result.get()
    }

    /// Bytes that are to come, by name.
    private func missing(_ wanted: [Entry]) -> [ByteString: Int64] {
        var missing: [ByteString: Int64] = [:]
        for entry in wanted where missing[entry.name.bytes] == nil {
            if let status = ContentFolder.status("\(folder)/blobs/\(entry.name)"), hasLength(entry, status) { continue }
            missing[entry.name.bytes] = max(0, entry.file.blob.length)
        }
        return missing
    }

    /// Puts one file where it is wanted, from the cache, which is given it first where it lacks it.
    func provide(_ entry: Entry, _ room: FetchRoom, of hub: Hub, at target: String) async throws {
        let source = "\(folder)/blobs/\(entry.name)"
        let place = "\(target)/\(entry.file.path)"
        try await hub.client.work {
            let above = GuardedPath.split(place).folder
            if above.bytes != target.bytes { try ContentFolder.make(above) }
        }
        var isLinked = try await hub.client.work { try isVerified(entry) }
        if isLinked { isLinked = try await link(source, place, entry, hub) }
        if !isLinked {
            try await ContentLock.with("\(folder)/locks/\(entry.name)") {
                var isThere = try await hub.client.work { try isVerified(entry) }
                if !isThere { isThere = try await verify(entry, hub) }
                if !isThere { try await download(entry, of: hub) }
                // Nobody evicts what is locked.
                guard try await link(source, place, entry, hub) else {
                    throw HubError(
                        .invalidInput,
                        field: "path",
                        "\(source) was deleted while it was in use; leave the cache to its runners"
                    )
                }
            }
        }
        if room.arrived(entry.name) { try await hub.client.work { evict(room) } }
    }

    /// Links content to where it is wanted, or copies it.
    ///
    /// - Returns: `false` where it is not there.
    private func link(_ source: String, _ place: String, _ entry: Entry, _ hub: Hub) async throws -> Bool {
        switch try await hub.client.work({ try ContentFolder.link(source, place, mode: entry.file.mode) }) {
        case .linked: true
        case .missing: false
        case .needsCopy: try await ContentFolder.copy(source, place, mode: entry.file.mode, by: hub.client)
        }
    }

    /// Whether the content is there and untouched since it was verified; that it is used is noted.
    private func isVerified(_ entry: Entry) throws -> Bool {
        let path = "\(folder)/blobs/\(entry.name)"
        guard let status = ContentFolder.status(path), ContentFolder.isMarked(status), hasLength(entry, status),
            status.st_mode & 0o444 == 0o444
        else {
            return false
        }
        ContentFolder.use(path)
        return true
    }

    /// The length of one of TensorLayer's is not in its document.
    private func hasLength(_ entry: Entry, _ status: stat) -> Bool {
        entry.file.blob.sha256 == nil || Int64(status.st_size) == entry.file.blob.length
    }

    /// Looks at content that somebody has touched: it is marked again, or removed.
    private func verify(_ entry: Entry, _ hub: Hub) async throws -> Bool {
        let path = "\(folder)/blobs/\(entry.name)"
        let file = try await hub.client.work { () throws -> BlobFile? in
            guard let status = ContentFolder.status(path), hasLength(entry, status) else { return nil }
            GuardedPath.restoreRights(at: path)
            return try BlobFile.open(path, followingLinks: false)
        }
        if let file, let hash = entry.file.blob.sha256, try await file.hash(by: hub.client) == hash {
            try await hub.client.work { try ContentFolder.mark(path) }
            return true
        }
        // Whatever it is.
        _ = try await hub.client.work { FolderTree.remove(path) }
        return false
    }

    /// Downloads content under another name, and names it when it is verified and on disk.
    private func download(_ entry: Entry, of hub: Hub) async throws {
        let path = "\(folder)/blobs/\(entry.name)"
        let partial = path + ".partial"
        // What a process has left that was killed.
        _ = try await hub.client.work { FolderTree.remove(partial) }
        do throws(HubError) {
            try await hub.downloadBlob(entry.file.blob, in: entry.bucket, to: partial, followingLinks: false)
        } catch {
            throw error.naming(entry.file)
        }
        // Syncing what is larger than memory takes minutes.
        do {
            try await hub.client.bulk {
                try BlobFile.open(partial, followingLinks: false).synchronize()
                try ContentFolder.mark(partial)
                guard ContentFolder.rename(partial, to: entry.name) == 0 else {
                    throw HubError(FileError("rename", partial))
                }
            }
        } catch {
            // Also where it was cancelled before its turn came.
            FolderTree.remove(partial)
            throw error
        }
    }

    /// Deletes the least recently used until there is room, but nothing that is wanted here, and nothing that somebody
    /// has locked.
    private func evict(_ room: FetchRoom) {
        let blobs = folder + "/blobs"
        var total = room.rest
        var candidates: [(name: String, size: Int64, used: timespec)] = []
        for name in GuardedPath.names(blobs) {
            guard let status = ContentFolder.status("\(blobs)/\(name)") else { continue }
            if let whole = name.bytes.dropping(end: ".partial") {
                let lock = "\(folder)/locks/\(whole)"
                if ContentLock.tryWith(lock, { ContentFolder.unlink("\(blobs)/\(name)") }) { continue }
            } else if !room.wanted.contains(name.bytes) {
                candidates.append((name, Int64(status.st_size), status.st_atim))
            }
            total = total.addingClamped(Int64(status.st_size))
        }
        candidates.sort { ($0.used.tv_sec, $0.used.tv_nsec) < ($1.used.tv_sec, $1.used.tv_nsec) }
        for candidate in candidates where total > limit {
            if ContentLock.tryWith(
                "\(folder)/locks/\(candidate.name)",
                { ContentFolder.unlink("\(blobs)/\(candidate.name)") }
            ) {
                total -= candidate.size
            }
        }
    }
}
