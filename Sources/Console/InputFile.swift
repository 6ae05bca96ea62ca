import BSON
import Files
import Glibc
import TensorHub

/// A file that the user named, read whole.
package struct InputFile: Sendable {
    package var bytes: [UInt8]
    /// Permission bits.
    package var mode: Int32

    /// The bytes without the mark of UTF-8 in front, which editors and spreadsheets of other systems write.
    package var text: ArraySlice<UInt8> { ByteOrderMark.dropped(from: bytes[...]) }

    /// - Parameters:
    ///   - role: What the file is to the user, for messages: `script`.
    ///   - limit: Bytes; a larger file is refused unread.
    /// - Throws: A failure of status 2 that names the file and the fix.
    package init(_ path: String, role: String, limit: Int = 1 << 30) throws(CommandFailure) {
        for _ in 0..<FileState.tries {
            if let file = try Self.read(path, role, limit) {
                self = file
                return
            }
        }
        throw .badInput(
            "\(role): \(path) changes while it is read, also when it is read again; wait until nobody writes to it, or give "
                + "a copy"
        )
    }

    private init(bytes: [UInt8], mode: Int32) {
        self.bytes = bytes
        self.mode = mode
    }

    /// - Returns: `nil` where somebody has written to it meanwhile. A pipe has no state that could tell.
    private static func read(_ path: String, _ role: String, _ limit: Int) throws(CommandFailure) -> InputFile? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.cannotOpen(path, role) }
        defer { close(descriptor) }
        var status = stat()
        fstat(descriptor, &status)
        if status.st_mode & S_IFMT == S_IFDIR {
            throw .badInput("\(role): \(path) is a directory; name a file in it")
        }
        if status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) > limit {
            throw Self.tooLarge(path, role, Int(status.st_size), limit)
        }
        let state = FileState(status)
        let isFile = status.st_mode & S_IFMT == S_IFREG
        if isFile, state.unsureFor > .zero { usleep(UInt32(state.unsureFor / .microseconds(1))) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(status.st_size) + 1)
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = chunk.withUnsafeMutableBytes { OpenFile.read(descriptor, $0, at: nil) }
            if count == 0 { break }
            if count < 0 { throw .badInput("\(role): \(path) cannot be read: \(FileError.reason())") }
            bytes += chunk[..<count]
            // A pipe tells no size beforehand.
            if bytes.count > limit { throw Self.tooLarge(path, role, bytes.count, limit) }
        }
        var after = stat()
        if isFile, fstat(descriptor, &after) != 0 || FileState(after) != state { return nil }
        return InputFile(bytes: bytes, mode: Int32(status.st_mode & 0o777))
    }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func cannotOpen(_ path: String, _ role: String) -> CommandFailure {
        switch errno {
        case ENOENT, ENOTDIR: .badInput("\(role): \(path) does not exist; give the path of a file")
        case EACCES: .badInput("\(role): \(path) cannot be read: permission denied; make it readable for you")
        default: .badInput("\(role): \(path) cannot be opened: \(FileError.reason())")
        }
    }

    private static func tooLarge(_ path: String, _ role: String, _ size: Int, _ limit: Int) -> CommandFailure {
        .badInput(
            "\(role): \(path) has \(size >= limit ? "\(size)" : "too many") bytes and the limit is \(limit); "
                + "keep data out of it"
        )
    }
}
