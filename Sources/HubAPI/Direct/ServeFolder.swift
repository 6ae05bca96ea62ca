import BSON
import CLinux
import Files
import Glibc
package import TensorHub

/// The folder of one `tensorhub serve`: bodies that arrive, and links to the files that clients were told of. It goes
/// with the server; that of one that was killed, with the next start.
package final class ServeFolder: Sendable {
    package let path: String
    var spool: String { path + "/spool" }
    var links: String { path + "/links" }
    private let lock: CInt

    /// Makes it, and removes what servers have left that are gone. Blocks.
    ///
    /// - Parameter parent: Shared by all servers of this user; made where it is missing.
    package init(in parent: String) throws(HubError) {
        do throws(FileError) { try LocalFolder.make(parent, mode: 0o700) } catch { throw Self.failure(parent, error) }
        // While one makes its folder, nobody may take it for one that is left over.
        var gate = open("\(parent)/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if gate < 0, [EACCES, EISDIR, ELOOP].contains(errno) {
            // One damaged thing must not keep every server from starting.
            GuardedPath.restoreRights(at: parent)
            if !GuardedPath.restoreRights(at: "\(parent)/lock") { FolderTree.remove("\(parent)/lock") }
            gate = open("\(parent)/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        }
        guard gate >= 0, tensorhub_lock(gate, 1) == 0 else { throw Self.failure(parent) }
        defer { close(gate) }
        for name in GuardedPath.names(GuardedPath.withoutLinks(parent)) where name.bytes.hasPrefix("server-") {
            Self.removeIfAbandoned(name, in: parent)
        }
        do throws(FileError) { path = GuardedPath.withoutLinks(try LocalFolder.makeUnique("\(parent)/server-")) } catch
        {
            throw Self.failure(parent, error)
        }
        lock = open("\(path)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0, tensorhub_lock(lock, 0) == 0, mkdir("\(path)/spool", 0o700) == 0,
            mkdir("\(path)/links", 0o700) == 0
        else {
            let failure = Self.failure(path)
            if lock >= 0 { close(lock) }
            FolderTree.remove(path)
            throw failure
        }
    }

    /// Removes it with everything in it. Blocks.
    package func remove() { FolderTree.remove(path) }

    deinit { close(lock) }

    private static func removeIfAbandoned(_ name: String, in parent: String) {
        let path = "\(parent)/\(name)"
        GuardedPath.restoreRights(at: path)
        GuardedPath.restoreRights(at: "\(path)/lock")
        let file = open("\(path)/lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        // Without a lock file it was made by somebody who ended in the middle: whoever is making one holds the gate.
        if file >= 0 {
            defer { close(file) }
            guard tensorhub_lock(file, 0) == 0 else { return }
        } else if errno != ENOENT {
            return
        }
        FolderTree.remove(GuardedPath.withoutLinks(parent) + "/" + name)
    }

    private static func failure(_ path: String, _ error: FileError? = nil) -> HubError {
        let error = error ?? FileError("make", path)
        return HubError(
            error.isFull ? .noSpace : .invalidInput,
            field: "state-directory",
            "\(path) cannot be made: \(error.reason); name a folder of your own as state-directory"
        )
    }
}
