import BSON
import Files
import Glibc
import MongoDriver

/// The folders of the cache, and what is made from it. Scripts can write there, so nothing follows a link. All calls
/// block.
enum ContentFolder {
    /// The modification time of verified content.
    private static let mark = timespec(tv_sec: 1, tv_nsec: 0)

    /// Makes a folder, and those above it, where they are missing.
    static func make(_ path: String) throws(HubError) {
        do throws(FileError) { try LocalFolder.make(path, by: makeOne) } catch {
            throw HubError(FileError("make", error.path, error.number))
        }
    }

    /// Makes a folder of the cache's own. Where a script has taken our rights to it away, they are given back; what is
    /// in its place is moved aside.
    ///
    /// - Returns: What was wrong.
    static func makeOwn(_ path: String) throws(HubError) -> String? {
        var damage: String?
        var status = stat()
        if stat(path, &status) == 0 || errno == EACCES {
            if GuardedPath.restoreRights(at: path) { damage = "our rights to it were gone; they are back" }
        }
        if lstat(path, &status) == 0, stat(path, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR {
            let aside = "\(path).damaged.\(ObjectID())"
            guard rename(path, to: GuardedPath.split(aside).name) == 0 else { throw HubError(FileError("move", path)) }
            damage = "it was no folder; what it was is \(aside) now"
        }
        try make(path)
        return damage
    }

    /// Makes a folder that must not be there.
    static func makeNew(_ path: String) throws(HubError) {
        let above = GuardedPath.split(path).folder
        if above != "/", above != "." { try make(above) }
        guard makeOne(path) == 0 else { throw HubError(FileError("make", path)) }
    }

    private static func makeOne(_ path: String) -> Int32 {
        let result = GuardedPath.inFolder(of: path) { mkdirat($0, $1, 0o755) }
        guard result < 0, errno == EACCES else { return result }
        // A script may have taken our rights to the folder above away.
        let above = GuardedPath.split(path).folder
        guard GuardedPath.restoreRights(above, below: above) else { return result }
        return GuardedPath.inFolder(of: path) { mkdirat($0, $1, 0o755) }
    }

    /// Removes a file; what is not there is no error.
    @discardableResult
    static func unlink(_ path: String) -> Int32 { GuardedPath.inFolder(of: path) { unlinkat($0, $1, 0) } }

    /// Gives a file another name in the same folder.
    static func rename(_ path: String, to name: String) -> Int32 {
        GuardedPath.inFolder(of: path) { renameat($0, $1, $0, name) }
    }

    static func status(_ path: String) -> stat? {
        GuardedPath.status(path).flatMap { $0.st_mode & S_IFMT == S_IFREG ? $0 : nil }
    }

    static func isMarked(_ status: stat) -> Bool {
        status.st_mtim.tv_sec == mark.tv_sec && status.st_mtim.tv_nsec == mark.tv_nsec
    }

    /// Makes a file read-only and says that it is verified.
    static func mark(_ path: String) throws(HubError) {
        try HubError.ofFiles { () throws(FileError) in
            let file = try OpenFile(guarded: path, toDo: "change")
            guard fchmod(file.descriptor, 0o444) == 0, futimens(file.descriptor, [now(), mark]) == 0 else {
                throw FileError("change", path)
            }
        }
    }

    /// Notes that a file is used. One that belongs to another user keeps its place in the order.
    static func use(_ path: String) {
        let times = [now(), timespec(tv_sec: 0, tv_nsec: leave)]
        _ = GuardedPath.inFolder(of: path) { utimensat($0, $1, times, AT_SYMLINK_NOFOLLOW) }
    }

    /// Finer than UTIME_NOW, which counts ticks: the order of uses matters.
    private static func now() -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time
    }

    /// UTIME_OMIT, which is too complicated a macro for Swift.
    private static let leave = (1 << 30) - 2

    /// What became of a link.
    enum Linking: Sendable {
        case linked
        /// The source is not there.
        case missing
        /// A link cannot be, or would have the wrong mode.
        case needsCopy
    }

    /// Links a file to another name.
    static func link(_ source: String, _ target: String, mode: Int32) throws(HubError) -> Linking {
        if mode & 0o111 != 0 { return .needsCopy }
        let result = GuardedPath.inFolder(of: source) { from, name in
            GuardedPath.inFolder(of: target) { linkat(from, name, $0, $1, 0) }
        }
        if result == 0 { return .linked }
        switch errno {
        case ENOENT where status(source) == nil: return .missing
        // Another file system, too many links, or a kernel that links only what one owns.
        case EXDEV, EMLINK, EPERM, EACCES, EOPNOTSUPP: return .needsCopy
        default: throw HubError(FileError("link", target))
        }
    }

    /// Copies a file of the cache, beside the client's threads.
    ///
    /// - Returns: `false` where the source is not there.
    static func copy(_ source: String, _ target: String, mode: Int32, by client: MongoClient) async throws -> Bool {
        let opened = try await client.bulk { () throws -> (original: BlobFile, copy: BlobFile)? in
            guard let status = status(source) else { return nil }
            let original = try BlobFile.open(source, followingLinks: false)
            return (original, try BlobFile.create(target, size: Int64(status.st_size), followingLinks: false))
        }
        guard let (original, copy) = opened else { return false }
        do {
            try await copy.copy(from: original, by: client)
            try await client.bulk { try copy.setMode(mode & 0o111 == 0 ? 0o444 : 0o555) }
        } catch {
            FolderTree.remove(target)
            throw error
        }
        return true
    }
}
