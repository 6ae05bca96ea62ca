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

    /// The names in a folder, without `.` and `..`; none where it cannot be read. No part of the path may be a link.
    package static func names(_ path: String) -> [String] {
        var names: [String] = []
        _ = FolderListing.visit(taking: open(path, O_RDONLY | O_DIRECTORY)) { names.append(String(cString: $0)) }
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

    static let slash = UInt8(ascii: "/")

    /// Cut at bytes: a slash and an accent after it would be one character.
    package static func split(_ path: String) -> (folder: String, name: String) {
        guard let index = path.utf8.lastIndex(of: slash) else { return (".", path) }
        let name = String(path[path.utf8.index(after: index)...])
        return (index == path.startIndex ? "/" : String(path[..<index]), name)
    }
}
