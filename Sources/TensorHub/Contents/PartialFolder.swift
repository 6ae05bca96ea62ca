import BSON
import CLinux
import Files
import Glibc

/// A folder beside a target, for what is on its way there: `TARGET.partial-<id>`. It is locked (flock) while its
/// process lives, so that what a killed one has left is told from what somebody is at work on. All calls block.
package final class PartialFolder: Sendable {
    package let path: String
    /// Below 0 where the file system locks no folders; then nobody removes what is left there.
    private let descriptor: CInt

    /// Makes it, and removes those for the same target whose process is dead.
    ///
    /// - Throws: `HubError.invalidInput` or `.noSpace`.
    package init(beside target: String) throws(HubError) {
        Self.removeAbandoned(target)
        while true {
            let path = "\(target)\(Self.infix)\(ObjectID())"
            guard mkdir(path, 0o777) == 0 else { throw HubError(FileError("make", path)) }
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            let isLocked = descriptor >= 0 && tensorhub_lock(descriptor, 0) == 0
            let isTaken = !isLocked && (descriptor < 0 ? errno == ENOENT : errno == EWOULDBLOCK)
            // Between the two somebody may have taken it for abandoned.
            if !isTaken, Self.isThere(path) {
                self.path = path
                self.descriptor = descriptor
                return
            }
            if descriptor >= 0 { close(descriptor) }
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Removes it with everything in it; nothing where it was renamed.
    package func remove() { FolderTree.remove(GuardedPath.withoutLinks(path)) }

    private static let infix = ".partial-"

    private static func isThere(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    private static func removeAbandoned(_ target: String) {
        let (parent, own) = GuardedPath.split(target)
        for name in GuardedPath.names(parent)
        where name.bytes.dropping("\(own)\(infix)").flatMap({ ObjectID($0) }) != nil {
            let path = "\(parent)/\(name)"
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if descriptor < 0 { continue }
            defer { close(descriptor) }
            if tensorhub_lock(descriptor, 0) == 0 { FolderTree.remove(GuardedPath.withoutLinks(path)) }
        }
    }
}
