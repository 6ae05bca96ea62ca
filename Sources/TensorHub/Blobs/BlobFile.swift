import Glibc
import MongoDriver

/// An open file of this machine, closed when nobody holds it any more. Its calls block.
final class BlobFile: Sendable {
    let path: String
    private let descriptor: Int32

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Whatever is there, a named pipe too, this does not wait for anybody.
    ///
    /// - Parameter followingLinks: Whether the path may lead through symbolic links; not where scripts may have made
    ///   them.
    static func open(_ path: String, followingLinks: Bool = true) throws(HubError) -> BlobFile {
        let descriptor =
            followingLinks
            ? Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : GuardedPath.open(path, O_RDONLY)
        guard descriptor >= 0 else { throw failure("read", path) }
        let file = BlobFile(path: path, descriptor: descriptor)
        guard try file.status().st_mode & S_IFMT == S_IFREG else {
            throw .invalid("path", "\(path) is not a file; give the path of a file")
        }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        return file
    }

    /// A new file of that size; one that is there already is an error.
    static func create(_ path: String, size: Int64, followingLinks: Bool = true) throws(HubError) -> BlobFile {
        let flags = O_RDWR | O_CREAT | O_EXCL
        let descriptor =
            followingLinks ? Glibc.open(path, flags | O_CLOEXEC, 0o600) : GuardedPath.open(path, flags, mode: 0o600)
        guard descriptor >= 0 else { throw failure("create", path) }
        let file = BlobFile(path: path, descriptor: descriptor)
        // The whole size at once: a full disk is found before anything is downloaded. Not every file system can.
        let status = size > 0 ? posix_fallocate(descriptor, 0, off_t(size)) : 0
        if status != 0, status != EOPNOTSUPP, status != EINVAL {
            if followingLinks { unlink(path) } else { FolderTree.remove(path) }
            throw failure("write", path, status)
        }
        return file
    }

    func status() throws(HubError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure("read", path) }
        return status
    }

    /// Reads up to as many bytes as there is room for; 0 at the end.
    func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(HubError) -> Int {
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if count >= 0 { return count }
            if errno != EINTR { throw Self.failure("read", path) }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(HubError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor,
                bytes.baseAddress.map { $0 + done },
                bytes.count - done,
                off_t(offset) + off_t(done)
            )
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("write", path) }
            done += count
        }
    }

    /// Its content is on disk when this returns.
    func synchronize() throws(HubError) {
        guard fsync(descriptor) == 0 else { throw Self.failure("write", path) }
    }

    func setMode(_ mode: mode_t) throws(HubError) {
        guard fchmod(descriptor, mode) == 0 else { throw Self.failure("change", path) }
    }

    /// Bytes of a file that is copied or hashed that one job has; between two others have their turn.
    private static let pieceSize: Int64 = 16 << 20

    /// Takes the content of another file over, beside the client's threads.
    func copy(from other: BlobFile, by client: MongoClient) async throws {
        try await other.visit(by: client) { bytes, offset in try self.write(bytes, at: offset) }
    }

    /// The hash of the whole file, made beside the client's threads.
    func hash(by client: MongoClient) async throws -> String {
        let hash = ContentHash()
        try await visit(by: client) { bytes, _ in hash.update(bytes) }
        return hash.finish()
    }

    private func visit(
        by client: MongoClient,
        _ body: @escaping @Sendable (UnsafeRawBufferPointer, _ offset: Int64) throws -> Void
    ) async throws {
        var offset: Int64 = 0
        while true {
            let start = offset
            offset = try await client.bulk { try self.visit(from: start, to: start + Self.pieceSize, body) }
            if offset < start + Self.pieceSize { return }
        }
    }

    /// - Returns: How far it came: less than `end` at the end of the file alone.
    private func visit(
        from start: Int64,
        to end: Int64,
        _ body: (UnsafeRawBufferPointer, _ offset: Int64) throws -> Void
    ) throws -> Int64 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var offset = start
        while offset < end {
            let wanted = Int(min(Int64(buffer.count), end - offset))
            let count = try read(UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
            if count == 0 { break }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]), offset)
            offset += Int64(count)
        }
        return offset
    }

    /// What the system has just said, as an error of ours.
    static func failure(_ verb: String, _ path: String, _ number: Int32 = errno) -> HubError {
        let reason = String(cString: strerror(number))
        switch number {
        case ENOSPC, EDQUOT, EFBIG:
            return HubError(
                .noSpace,
                field: "path",
                "cannot \(verb) \(path): \(reason); make room there or choose another disk"
            )
        case ENOENT, EISDIR, ENOTDIR, EACCES, EPERM, EEXIST, ENOTEMPTY, ENAMETOOLONG, ELOOP, EROFS, EXDEV, EMLINK,
            ENXIO,
            ENODEV, EINVAL:
            return HubError(.invalidInput, field: "path", "cannot \(verb) \(path): \(reason)")
        default:
            // The path is good: too many open files, no memory, a disk that fails.
            return HubError(.database, field: "path", "cannot \(verb) \(path): \(reason); try again later")
        }
    }
}
