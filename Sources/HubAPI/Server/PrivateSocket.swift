import Files
import Glibc
import TensorHub

/// The file of a Unix socket that nobody but its user can connect to, from the first moment on: it is made in a folder
/// of mode 0700, gets mode 0600 there, and is then renamed. The process's umask, which other threads rely on, stays as
/// it is.
struct PrivateSocket: ~Copyable {
    /// What a socket's address has room for, without the zero byte.
    static let longestPath = 107

    let path: String
    /// Where the server has to bind it. Short, whatever the path is.
    let bindPath: String
    /// The folder of the path, and the name of ours in it.
    private let parent: CInt
    private let folder: String
    private let descriptor: CInt
    private let name: String
    private let replacesAny: Bool

    /// Makes the folder.
    ///
    /// - Parameter replacesAny: Whether whatever is at the path is replaced, and no part of the path may be a link: a
    ///   running script may have put there what it likes. Else a socket that nobody listens on alone, wherever links
    ///   lead.
    init(_ path: String, replacesAny: Bool = true) throws(HubError) {
        guard path.utf8.count <= Self.longestPath, !path.isEmpty, !path.utf8.contains(0) else {
            throw HubError(
                .invalidInput,
                field: "socket",
                "socket: the path '\(path)' has \(path.utf8.count) bytes; the system takes 1 to \(Self.longestPath)"
            )
        }
        if !replacesAny { try Self.check(path) }
        let above = GuardedPath.split(path).folder
        let parent = GuardedPath.open(replacesAny ? above : GuardedPath.withoutLinks(above), O_RDONLY | O_DIRECTORY)
        guard parent >= 0 else { throw Self.failure(path) }
        let made = ".s-\(UInt64.random(in: .min ... .max))"
        guard mkdirat(parent, made, 0o700) == 0 else {
            let failure = Self.failure(path)
            close(parent)
            throw failure
        }
        let opened = openat(parent, made, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard opened >= 0 else {
            let failure = Self.failure(path)
            unlinkat(parent, made, AT_REMOVEDIR)
            close(parent)
            throw failure
        }
        self.parent = parent
        self.replacesAny = replacesAny
        folder = made
        descriptor = opened
        self.path = path
        // The event loop removes this name when it closes the socket. The number of the descriptor may by then be that
        // of another folder, which has nothing of such a name.
        name = "tensorhub-\(UInt64.random(in: .min ... .max))"
        bindPath = "/proc/self/fd/\(descriptor)/\(name)"
    }

    /// Puts the bound socket where it belongs, in place of what is there.
    ///
    /// - Returns: Its device and inode, to tell it from a later one.
    consuming func publish() throws(HubError) -> PublishedSocket {
        // Somebody may have come meanwhile.
        if !replacesAny { try Self.check(path) }
        var status = stat()
        let last = GuardedPath.split(path).name
        guard fchmodat(descriptor, name, 0o600, AT_SYMLINK_NOFOLLOW) == 0,
            fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
        else { throw Self.failure(path) }
        if renameat(descriptor, name, parent, last) != 0 {
            // A folder that a script has made there.
            guard replacesAny, errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST,
                FolderTree.remove(last, in: parent) == 0, renameat(descriptor, name, parent, last) == 0
            else { throw Self.failure(path) }
        }
        return PublishedSocket(path: path, device: status.st_dev, inode: status.st_ino)
    }

    deinit {
        unlinkat(descriptor, name, 0)
        close(descriptor)
        unlinkat(parent, folder, AT_REMOVEDIR)
        close(parent)
    }

    /// - Throws: Where something is at the path that is not the socket of a server that has ended.
    private static func check(_ path: String) throws(HubError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw HubError(
                .invalidInput,
                field: "socket",
                "socket: \(path) is there already and no socket; name another path, or remove it"
            )
        }
        let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let client = socket(AF_UNIX, Int32(type), 0)
        guard client >= 0 else { throw failure(path) }
        defer { close(client) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(client, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // Nobody has it open any more, or it has gone meanwhile; all else is somebody's.
        if result != 0, errno == ECONNREFUSED || errno == ENOENT { return }
        throw HubError(
            .invalidInput,
            field: "socket",
            "socket: another server listens on \(path); end that one first, or name another path"
        )
    }

    private static func failure(_ path: String) -> HubError {
        let error = FileError("make", path)
        return HubError(
            error.isFull ? .noSpace : .invalidInput,
            field: "socket",
            "socket: \(path) cannot be made: \(error.reason); choose a folder of your own"
        )
    }
}

/// A socket's file in its place.
struct PublishedSocket: Sendable {
    let path: String
    let device: dev_t
    let inode: ino_t

    /// Removes the file, unless somebody has put another one there.
    func remove() {
        var status = stat()
        if lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode { unlink(path) }
    }
}
