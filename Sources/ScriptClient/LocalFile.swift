import Glibc
import NIOCore
import NIOPosix

/// An open file on its way to the runner. Reads go to threads that may block.
final class LocalFile: Sendable {
    /// Bytes at once.
    static let pieceSize = 1 << 20

    let path: String
    let length: Int64
    let mode: Int32
    private let descriptor: CInt

    /// - Throws: `localFile` for what cannot be opened or is no regular file.
    init(_ path: String) throws(ScriptError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.error("open", path) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw ScriptError(.localFile, "'\(path)' is no regular file")
        }
        self.path = path
        length = Int64(status.st_size)
        mode = Int32(status.st_mode & 0o777)
    }

    deinit { close(descriptor) }

    /// The next piece from there on.
    ///
    /// - Throws: `localFile`, also where the file has become shorter than it was.
    func piece(at offset: Int64) async throws -> ByteBuffer {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            // What the end of a file that was longer before leaves there.
            errno = EIO
            let wanted = Int(min(Int64(Self.pieceSize), length - offset))
            var buffer = ByteBufferAllocator().buffer(capacity: wanted)
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted) { target in
                max(pread(descriptor, target.baseAddress, wanted, Int(offset)), 0)
            }
            guard count > 0 else { throw Self.error("read", path) }
            return buffer
        }
    }

    static func error(_ action: String, _ path: String) -> ScriptError {
        ScriptError(.localFile, "cannot \(action) '\(path)': \(String(cString: strerror(errno)))")
    }
}
