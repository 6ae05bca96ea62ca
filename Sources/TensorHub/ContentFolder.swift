import BSON
import CLinux
import Glibc
import MongoDriver

/// The folders of the cache, and what is made from it. All calls block.
enum ContentFolder {
    /// The modification time of verified content.
    private static let mark = timespec(tv_sec: 1, tv_nsec: 0)

    /// Makes a folder, and those above it, where they are missing.
    static func make(_ path: String) throws(HubError) {
        if mkdir(path, 0o755) == 0 { return }
        switch errno {
        case EEXIST: return
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
                throw BlobFile.failure("make", path)
            }
            try make(String(path[..<slash]))
            if mkdir(path, 0o755) != 0, errno != EEXIST { throw BlobFile.failure("make", path) }
        default: throw BlobFile.failure("make", path)
        }
    }

    /// Makes a folder of the cache's own. Where a script has taken our rights to it away, they are given back; what is in its
    /// place is moved aside.
    ///
    /// - Returns: What was wrong.
    static func makeOwn(_ path: String) throws(HubError) -> String? {
        var damage: String?
        var status = stat()
        if stat(path, &status) == 0 || errno == EACCES {
            if tensorhub_restore_mode(AT_FDCWD, path) == 1 { damage = "our rights to it were gone; they are back" }
        }
        if lstat(path, &status) == 0, stat(path, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR {
            let aside = "\(path).damaged.\(ObjectID())"
            guard rename(path, aside) == 0 else { throw BlobFile.failure("move", path) }
            damage = "it was no folder; what it was is \(aside) now"
        }
        try make(path)
        return damage
    }

    /// Makes a folder that must not be there.
    static func makeNew(_ path: String) throws(HubError) {
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try make(String(path[..<slash])) }
        guard mkdir(path, 0o755) == 0 else { throw BlobFile.failure("make", path) }
    }

    static func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? status : nil
    }

    static func isMarked(_ status: stat) -> Bool {
        status.st_mtim.tv_sec == mark.tv_sec && status.st_mtim.tv_nsec == mark.tv_nsec
    }

    /// Makes a file read-only and says that it is verified.
    static func mark(_ path: String) throws(HubError) {
        guard chmod(path, 0o444) == 0, setTimes(path, now(), mark) else {
            throw BlobFile.failure("change", path)
        }
    }

    /// Notes that a file is used. One that belongs to another user keeps its place in the order.
    static func use(_ path: String) {
        _ = setTimes(path, now(), timespec(tv_sec: 0, tv_nsec: leave))
    }

    /// Finer than UTIME_NOW, which counts ticks: the order of uses matters.
    private static func now() -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time
    }

    /// UTIME_OMIT, which is too complicated a macro for Swift.
    private static let leave = (1 << 30) - 2

    private static func setTimes(_ path: String, _ access: timespec, _ modification: timespec) -> Bool {
        withUnsafePointer(to: (access, modification)) {
            $0.withMemoryRebound(to: timespec.self, capacity: 2) { utimensat(AT_FDCWD, path, $0, 0) == 0 }
        }
    }

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
        if Glibc.link(source, target) == 0 { return .linked }
        switch errno {
        case ENOENT where status(source) == nil: return .missing
        // Another file system, too many links, or a kernel that links only what one owns.
        case EXDEV, EMLINK, EPERM, EACCES, EOPNOTSUPP: return .needsCopy
        default: throw BlobFile.failure("link", target)
        }
    }

    /// Copies a file of the cache, beside the client's threads.
    ///
    /// - Returns: `false` where the source is not there.
    static func copy(_ source: String, _ target: String, mode: Int32, by client: MongoClient) async throws -> Bool {
        let opened = try await client.bulk { () throws -> (original: BlobFile, copy: BlobFile)? in
            guard let status = status(source) else { return nil }
            let original = try BlobFile.open(source, followingLinks: false)
            return (original, try BlobFile.create(target, size: Int64(status.st_size)))
        }
        guard let (original, copy) = opened else { return false }
        do {
            try await copy.copy(from: original, by: client)
            try await client.bulk { try copy.setMode(mode & 0o111 == 0 ? 0o444 : 0o555) }
        } catch {
            unlink(target)
            throw error
        }
        return true
    }

    static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
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

    /// Removes a folder with everything in it; links are removed, not followed.
    static func remove(_ path: String) {
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            for name in names(path) { remove("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}
