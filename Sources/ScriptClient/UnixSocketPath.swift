import BSON
import Files
import Glibc

/// The path of a socket, shortened where a socket's address has no room for it.
struct UnixSocketPath: ~Copyable {
    /// What the network library takes, in bytes; the system takes four more.
    private static let limit = 103

    /// Valid while this value lives.
    let address: String
    private let folder: CInt

    /// - Throws: `unreachable` where the folder cannot be opened.
    init(_ path: String) throws(ScriptError) {
        guard path.utf8.count > Self.limit, let (above, name) = path.bytes.cut(atLast: "/") else {
            address = path
            folder = -1
            return
        }
        folder = open("\(above)/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw .unreachable(path, FileError.reason()) }
        address = "/proc/self/fd/\(folder)/\(name)"
    }

    deinit { if folder >= 0 { close(folder) } }
}
