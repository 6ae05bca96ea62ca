import CLinux
package import Glibc

/// Paths below a folder that scripts can write to. Scripts run as the user that we run as, so any part of such a path
/// may have become a link to somebody else's file, a named pipe, or a folder that we have no rights to any more. All
/// calls block.
///
/// Calls on names go by the descriptor of their folder, opened here, so that a link which takes a folder's place
/// meanwhile leads nowhere. A folder of ours whose mode a script has changed is ours still: its owner's rights are
/// given back.
package enum GuardedPath {
    /// Opens a file; no part of the path may be a link, and a named pipe keeps nobody waiting.
    ///
    /// - Returns: The descriptor, or -1 and `errno`: ELOOP or ENOTDIR where a part is a link.
    package static func open(_ path: String, _ flags: Int32, mode: UInt32 = 0) -> Int32 {
        // Nobody waits for what is opened for its path alone.
        let waiting = flags & Int32(TENSORHUB_O_PATH) == 0 ? O_NONBLOCK : 0
        return tensorhub_open_without_links(path, flags | O_CLOEXEC | waiting, mode)
    }

    /// Lends the folder of a path, for calls on its last part; the result is -1 with `errno` where it cannot be opened.
    package static func inFolder(of path: String, _ call: (_ folder: Int32, _ name: String) -> Int32) -> Int32 {
        let (parent, name) = split(path)
        let folder = open(parent, Int32(TENSORHUB_O_PATH) | O_DIRECTORY)
        guard folder >= 0 else { return -1 }
        let result = call(folder, name)
        let number = errno
        close(folder)
        errno = number
        return result
    }

    /// What is at a path, itself.
    package static func status(_ path: String) -> stat? {
        var status = stat()
        let result = inFolder(of: path) { fstatat($0, $1, &status, AT_SYMLINK_NOFOLLOW) }
        return result == 0 ? status : nil
    }

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

    /// The same for one name in an open folder.
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

    /// The names in a folder, without `.` and `..`; none where it cannot be read. No part of the path may be a link.
    package static func names(_ path: String) -> [String] {
        let folder = open(path, O_RDONLY | O_DIRECTORY)
        guard folder >= 0 else { return [] }
        guard let directory = fdopendir(folder) else {
            close(folder)
            return []
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// A path whose links are somebody's choice and are to be followed once: the path that they lead to now. What is
    /// missing of it is left as it is.
    package static func withoutLinks(_ path: String) -> String {
        if let resolved = realpath(path, nil) {
            defer { free(resolved) }
            return String(cString: resolved)
        }
        let (folder, name) = split(path)
        return folder == "/" || folder == "." ? path : "\(withoutLinks(folder))/\(name)"
    }

    private static let slash = UInt8(ascii: "/")

    /// Cut at bytes: a slash and an accent after it would be one character.
    package static func split(_ path: String) -> (folder: String, name: String) {
        guard let index = path.utf8.lastIndex(of: slash) else { return (".", path) }
        let name = String(path[path.utf8.index(after: index)...])
        return (index == path.startIndex ? "/" : String(path[..<index]), name)
    }
}
