import Files
import Glibc
import HTTPTypes
import NIOCore
import NIOPosix
import TensorHub

/// A file of this machine, open while it is being sent: it may lose its name meanwhile.
final class OpenedFile: Sendable {
    let length: Int64
    private let file: OpenFile

    /// Bytes that are read at once.
    private static let piece = 512 << 10

    /// Blocks, but on nothing that a script may have put in the file's place.
    init(_ path: String) throws(APIError) {
        let status: stat
        do throws(FileError) {
            file = try OpenFile(guarded: path)
            status = try file.status()
        } catch {
            throw APIError(.internalServerError, "database", "\(path) cannot be opened: \(error.reason)")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw APIError(
                .internalServerError,
                "database",
                "\(path) is no file; somebody has replaced what was fetched"
            )
        }
        length = Int64(status.st_size)
    }

    func source(_ range: Range<Int64>, _ disk: NIOThreadPool) -> ByteSource {
        ByteSource(length: range.upperBound - range.lowerBound) { send in
            var next = range.lowerBound
            while next < range.upperBound {
                let start = next
                let count = Int(min(Int64(Self.piece), range.upperBound - start))
                let buffer = try await disk.runIfActive { try self.read(at: start, count) }
                next += Int64(buffer.readableBytes)
                try await send(buffer)
            }
        }
    }

    private func read(at offset: Int64, _ count: Int) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { bytes in
            let wanted = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
            let got = OpenFile.read(file.descriptor, wanted, at: offset)
            // A file of ours never changes; one that got shorter is somebody's deed.
            if got <= 0 { throw BrokenBody() }
            return got
        }
        return buffer
    }
}
