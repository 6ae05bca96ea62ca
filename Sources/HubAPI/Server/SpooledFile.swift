import BSON
import Files
import Glibc
import HTTPTypes
import NIOCore
import NIOPosix
import TensorHub

/// A body on the disk of this machine.
struct SpooledFile: Sendable {
    let path: String
    let size: Int64
    /// 64 hexadecimal digits.
    let sha256: String

    /// Writes a body as it comes, in constant memory. Whatever goes wrong, nothing stays behind.
    ///
    /// - Parameter expected: What the client says that the hash is.
    /// - Throws: `no-space`, `hash-mismatch`, or what broke the connection.
    @concurrent
    static func receive(
        _ body: RequestStream,
        in folder: String,
        expecting expected: String?,
        on disk: NIOThreadPool
    ) async throws -> SpooledFile {
        let path = "\(folder)/upload-\(ObjectID())"
        if let length = body.announcedLength { try await disk.runIfActive { try checkSpace(length, folder) } }
        let writer = try await disk.runIfActive { try SpoolWriter(path) }
        do {
            var buffer = ByteBuffer()
            try await body.read { piece in
                // The first of a batch is taken over without a copy.
                if buffer.readableBytes == 0 { buffer = piece } else { buffer.writeImmutableBuffer(piece) }
                if buffer.readableBytes < batch { return }
                let full = buffer
                buffer = ByteBuffer()
                try await disk.runIfActive { try writer.write(full) }
            }
            let last = buffer
            let (size, sha256) = try await disk.runIfActive {
                try writer.write(last)
                return try writer.finish()
            }
            if let expected, expected.lowercased() != sha256 {
                throw APIError(
                    .conflict,
                    "hash-mismatch",
                    field: "Content-SHA256",
                    "the body has SHA-256 \(sha256), not \(expected); nothing was kept, send it again"
                )
            }
            return SpooledFile(path: path, size: size, sha256: sha256)
        } catch {
            try? await disk.runIfActive {
                writer.abandon()
                FolderTree.remove(path)
            }
            throw error
        }
    }

    private static let batch = 512 << 10

    private static func checkSpace(_ length: Int64, _ folder: String) throws {
        var status = statvfs()
        guard statvfs(folder, &status) == 0, status.f_frsize > 0 else { return }
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        if UInt64(max(0, length)) > free {
            throw APIError.noSpace(
                "the body has \(length) bytes and the disk of \(folder) has \(free) left; nothing was kept, make room there"
            )
        }
    }
}

/// A file that is being written, and its hash. `@unchecked`: whoever calls waits for each call before the next.
private final class SpoolWriter: @unchecked Sendable {
    private let path: String
    private var descriptor: CInt
    private var hash: SHA256? = SHA256()
    private var size: Int64 = 0

    init(_ path: String) throws(APIError) {
        self.path = path
        descriptor = GuardedPath.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        if descriptor < 0, errno == EACCES {
            // A script may have taken our rights to the folder away.
            let folder = GuardedPath.split(path).folder
            if GuardedPath.restoreRights(folder, below: folder) {
                descriptor = GuardedPath.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            }
        }
        if descriptor < 0 { throw Self.failure(FileError("write", path)) }
    }

    func write(_ buffer: ByteBuffer) throws {
        try buffer.withUnsafeReadableBytes { bytes in
            hash?.update(bytes)
            do throws(FileError) { try OpenFile.write(descriptor, path, bytes) } catch { throw Self.failure(error) }
            size += Int64(bytes.count)
        }
    }

    func finish() throws(APIError) -> (size: Int64, sha256: String) {
        let isWritten = close(descriptor) == 0
        descriptor = -1
        // Some file systems tell only then that there is no room.
        if !isWritten { throw Self.failure(FileError("write", path)) }
        let hash = hash.take()
        return (size, hash?.finish() ?? "")
    }

    func abandon() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    private static func failure(_ error: FileError) -> APIError {
        let path = error.path
        if error.isFull {
            return .noSpace("\(path) cannot be written: \(error.reason); nothing was kept, make room there")
        }
        return APIError(.internalServerError, "database", "\(path) cannot be written: \(error.reason)")
    }
}
