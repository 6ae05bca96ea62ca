import Files
import Glibc
import MongoDriver

/// An open file of this machine, closed when nobody holds it any more. Its calls block.
final class BlobFile: Sendable {
    private let file: OpenFile

    private init(_ file: consuming OpenFile) { self.file = file }

    /// Whatever is there, a named pipe too, this does not wait for anybody.
    ///
    /// - Parameter followingLinks: Whether the path may lead through symbolic links; not where scripts may have made
    ///   them.
    static func open(_ path: String, followingLinks: Bool = true) throws(HubError) -> BlobFile {
        let file = try HubError.ofFiles { () throws(FileError) in
            BlobFile(try followingLinks ? OpenFile(path, toDo: "read") : OpenFile(guarded: path, toDo: "read"))
        }
        guard try file.status().st_mode & S_IFMT == S_IFREG else {
            throw .invalid("path", "\(path) is not a file; give the path of a file")
        }
        posix_fadvise(file.file.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        return file
    }

    /// A new file of that size; one that is there already is an error.
    static func create(_ path: String, size: Int64, followingLinks: Bool = true) throws(HubError) -> BlobFile {
        let flags = O_RDWR | O_CREAT | O_EXCL
        let file = try HubError.ofFiles { () throws(FileError) in
            BlobFile(
                try followingLinks
                    ? OpenFile(path, flags, mode: 0o600, toDo: "create")
                    : OpenFile(guarded: path, flags, mode: 0o600, toDo: "create")
            )
        }
        // The whole size at once: a full disk is found before anything is downloaded. Not every file system can.
        let status = size > 0 ? posix_fallocate(file.file.descriptor, 0, off_t(size)) : 0
        if status != 0, status != EOPNOTSUPP, status != EINVAL {
            if followingLinks { unlink(path) } else { FolderTree.remove(path) }
            throw HubError(FileError("write", path, status))
        }
        return file
    }

    func status() throws(HubError) -> stat { try HubError.ofFiles { () throws(FileError) in try file.status() } }

    /// Reads up to as many bytes as there is room for; 0 at the end.
    func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(HubError) -> Int {
        let count = OpenFile.read(file.descriptor, buffer, at: offset)
        guard count >= 0 else { throw HubError(FileError("read", file.path)) }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(HubError) {
        try HubError.ofFiles { () throws(FileError) in
            try OpenFile.write(file.descriptor, file.path, bytes, at: offset)
        }
    }

    /// Its content is on disk when this returns.
    func synchronize() throws(HubError) {
        guard fsync(file.descriptor) == 0 else { throw HubError(FileError("write", file.path)) }
    }

    func setMode(_ mode: mode_t) throws(HubError) {
        guard fchmod(file.descriptor, mode) == 0 else { throw HubError(FileError("change", file.path)) }
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
}
