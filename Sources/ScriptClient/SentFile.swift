import Files
import Glibc
import NIOCore
import NIOPosix

/// An open file on its way to the runner. Reads go to threads that may block.
final class SentFile: Sendable {
    /// Bytes at once.
    static let pieceSize = 1 << 20

    let path: String
    let length: Int64
    let mode: Int32
    private let file: OpenFile

    /// - Throws: `localFile` for what cannot be opened or is no regular file.
    init(_ path: String) throws(ScriptError) {
        file = try ScriptError.ofFiles { () throws(FileError) in try OpenFile(path) }
        guard let status = try? file.status(), status.st_mode & S_IFMT == S_IFREG else {
            throw ScriptError(.localFile, "'\(path)' is no regular file")
        }
        self.path = path
        length = Int64(status.st_size)
        mode = Int32(status.st_mode & 0o777)
    }

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
                max(
                    OpenFile.read(
                        file.descriptor,
                        UnsafeMutableRawBufferPointer(rebasing: target[..<wanted]),
                        at: offset
                    ),
                    0
                )
            }
            guard count > 0 else { throw ScriptError(FileError("read", path)) }
            return buffer
        }
    }
}
