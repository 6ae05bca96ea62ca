import CLinux
import Glibc

/// Giving rights back that a script has taken away.
extension GuardedPath {
    /// Gives the owner's rights back to every folder from `root` on that the path leads through, and to what it ends
    /// at.
    ///
    /// - Parameter root: Above the path, or the path itself.
    /// - Returns: Whether anything has changed, so that a call that was refused may be tried again.
    package static func restoreRights(_ path: String, below root: String) -> Bool {
        let number = errno
        defer { errno = number }
        let (pathBytes, rootBytes) = (Array(path.utf8), Array(root.utf8))
        let rest = pathBytes.dropFirst(rootBytes.count)
        guard pathBytes.starts(with: rootBytes), rest.first ?? slash == slash else { return false }
        let (above, first) = split(root)
        var folder = open(above, Int32(TENSORHUB_O_PATH) | O_DIRECTORY)
        defer { if folder >= 0 { close(folder) } }
        var isChanged = false
        for part in [first] + rest.split(separator: slash).map({ String(decoding: $0, as: UTF8.self) }) {
            guard folder >= 0 else { break }
            let next = openat(folder, part, Int32(TENSORHUB_O_PATH) | O_NOFOLLOW | O_CLOEXEC)
            close(folder)
            folder = next
            if folder >= 0, restoreRights(folder) { isChanged = true }
        }
        return isChanged
    }

    /// The same for what is at a path alone; no part of it may be a link.
    @discardableResult
    package static func restoreRights(at path: String) -> Bool {
        let number = errno
        defer { errno = number }
        let file = open(path, Int32(TENSORHUB_O_PATH))
        guard file >= 0 else { return false }
        defer { close(file) }
        return restoreRights(file)
    }

    /// The same for one name in an open folder, or for a path where that is `AT_FDCWD`.
    @discardableResult
    package static func restoreRights(_ name: UnsafePointer<CChar>, in folder: Int32) -> Bool {
        let number = errno
        defer { errno = number }
        let file = openat(folder, name, Int32(TENSORHUB_O_PATH) | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        return restoreRights(file)
    }

    /// Gives the owner's rights back to an open folder or file of ours, or to one that is open for its path alone.
    ///
    /// - Returns: Whether they were missing and are there now. Not for a file with several names: the other one may be
    ///   somebody else's business.
    package static func restoreRights(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_uid == geteuid() else { return false }
        let wanted: mode_t
        switch status.st_mode & S_IFMT {
        case S_IFDIR: wanted = 0o700
        case S_IFREG where status.st_nlink == 1: wanted = 0o600
        default: return false
        }
        guard status.st_mode & wanted != wanted else { return false }
        // A descriptor for the path alone takes no fchmod. The link of /proc leads to that very file, whatever its name
        // is now.
        return chmod("/proc/self/fd/\(descriptor)", status.st_mode & 0o7777 | wanted) == 0
    }
}
