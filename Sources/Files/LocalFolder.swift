package import Glibc

/// An open folder and the plain file calls on names in it. Everything blocks: for pool threads only.
///
/// No call on a name follows a link, waits on a named pipe, or writes into a file that has another name elsewhere.
/// Where the folder is ours and a script has taken our rights to it away, they are restored.
package struct LocalFolder: ~Copyable {
    package let descriptor: Int32
    /// Where a restoration is noted.
    package let restored: RestoredRights?

    /// A folder that no script can reach, such as one of /proc: links in its path are followed. Not for a folder of the
    /// user's own, whose rights are to stay as they are.
    package init(_ path: String) throws(FileError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        restored = nil
        guard descriptor >= 0 else { throw FileError("open", path) }
    }

    /// A folder that scripts can reach: no part of its path may be a link.
    ///
    /// - Parameter root: Above it, or itself; ours from there on, and rights that were taken away are restored.
    package init(_ path: String, below root: String, noting restored: RestoredRights? = nil) throws(FileError) {
        self.restored = restored
        var opened = GuardedPath.open(path, O_RDONLY | O_DIRECTORY)
        if opened < 0, errno == EACCES, GuardedPath.restoreRights(path, below: root) {
            restored?.note()
            opened = GuardedPath.open(path, O_RDONLY | O_DIRECTORY)
        }
        descriptor = opened
        guard descriptor >= 0 else { throw FileError("open", path) }
    }

    package init(_ name: String, in parent: borrowing LocalFolder) throws(FileError) {
        let folder = parent.descriptor
        descriptor = parent.withRights(to: name) {
            openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        }
        restored = parent.restored
        guard descriptor >= 0 else { throw FileError("open", name) }
    }

    deinit { close(descriptor) }

    package func makeFolder(_ name: String, mode: mode_t) throws(FileError) {
        guard withRights({ mkdirat(descriptor, name, mode) }) == 0 else { throw FileError("make folder", name) }
    }

    /// Makes a folder unless it is there; whatever else has the name goes.
    package func ensureFolder(_ name: String, mode: mode_t) throws(FileError) {
        if withRights({ mkdirat(descriptor, name, mode) }) == 0 { return }
        guard errno == EEXIST else { throw FileError("make folder", name) }
        if isFolder(name) { return }
        try removeTree(name)
        try makeFolder(name, mode: mode)
    }

    package func isFolder(_ name: String) -> Bool { status(name).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

    package func isFile(_ name: String) -> Bool { status(name).map { $0.st_mode & S_IFMT == S_IFREG } ?? false }

    /// What has that name, itself; `nil` where nothing has.
    package func status(_ name: String) -> stat? {
        var status = stat()
        let result = withRights { fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) }
        return result == 0 ? status : nil
    }

    /// Removes a file; what is not there is no error.
    package func removeFile(_ name: String) throws(FileError) {
        guard withRights({ unlinkat(descriptor, name, 0) }) == 0 || errno == ENOENT else {
            throw FileError("remove", name)
        }
    }

    /// Removes a file or a folder with all that is in it; what is not there is no error.
    package func removeTree(_ name: String) throws(FileError) {
        guard FolderTree.remove(name, in: descriptor) == 0 else { throw FileError("remove", name) }
    }

    /// Gives what has the name another one.
    package func rename(_ name: String, to other: String, in folder: borrowing LocalFolder) throws(FileError) {
        let (from, to) = (descriptor, folder.descriptor)
        var result = withRights { renameat(from, name, to, other) }
        if result < 0, errno == EACCES { result = folder.withRights { renameat(from, name, to, other) } }
        // A folder that gets another one above it is itself changed.
        if result < 0, errno == EACCES, GuardedPath.restoreRights(name, in: from) {
            restored?.note()
            result = renameat(from, name, to, other)
        }
        guard result == 0 else { throw FileError("rename", name) }
    }

    /// All names in it outlive a power cut.
    package func sync(_ call: (Int32) -> Int32 = { fsync($0) }) throws(FileError) {
        guard call(descriptor) == 0 else { throw FileError("sync", "a folder") }
    }

    /// Makes a new file; one that is there already is an error.
    package func create(
        _ name: String,
        _ bytes: [UInt8],
        mode: mode_t = 0o600,
        isSynced: Bool = false
    ) throws(FileError) {
        try write(name, bytes, mode: mode, isSynced: isSynced)
    }

    /// Puts the whole file in place at once: whoever opens it sees the old bytes or the new ones.
    ///
    /// - Parameter isSynced: Whether a power cut, too, leaves the one or the other.
    package func replace(_ name: String, _ bytes: [UInt8], isSynced: Bool = false) throws(FileError) {
        let temporary = ".\(name).new"
        do throws(FileError) { try create(temporary, bytes, isSynced: isSynced) } catch {
            // What a killed process or a script has left there.
            guard error.number == EEXIST else { throw error }
            try removeTree(temporary)
            try create(temporary, bytes, isSynced: isSynced)
        }
        do throws(FileError) { try rename(temporary, to: name, in: self) } catch {
            // A folder that a script has made.
            guard isFolder(name) else { throw error }
            try removeTree(name)
            try rename(temporary, to: name, in: self)
        }
    }

    private func write(_ name: String, _ bytes: [UInt8], mode: mode_t, isSynced: Bool) throws(FileError) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let opened = withRights { openat(descriptor, name, flags, mode) }
        guard opened >= 0 else { throw FileError("create", name) }
        let file = OpenFile(taking: opened, name)
        try file.write(bytes)
        if isSynced, fdatasync(opened) != 0 { throw FileError("sync", name) }
    }

    /// The bytes of a regular file, at most `limit + 1` so that the caller can tell one that is longer; nil when there
    /// is none. Never follows a link, never waits on a named pipe: the script may have left anything here.
    package func read(_ name: String, limit: Int) throws(FileError) -> [UInt8]? {
        let opened = withRights(to: name) {
            openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        }
        // A socket cannot be opened at all.
        if opened < 0, errno == ENOENT || errno == ELOOP || errno == ENXIO { return nil }
        guard opened >= 0 else { throw FileError("open", name) }
        let file = OpenFile(taking: opened, name)
        guard let status = try? file.status(), status.st_mode & S_IFMT == S_IFREG else { return nil }
        return try file.read(upTo: min(Int(status.st_size), limit) + 1)
    }

    /// The bytes of a file of /proc, whose size the system does not tell before.
    package func readAll(_ name: String) throws(FileError) -> [UInt8] {
        let opened = openat(descriptor, name, O_RDONLY | O_CLOEXEC)
        guard opened >= 0 else { throw FileError("open", name) }
        return try OpenFile(taking: opened, name).readAll()
    }

    /// Names in the folder, without `.` and `..`.
    package func names() throws(FileError) -> [String] {
        var names: [String] = []
        // A descriptor of its own, because closing the stream closes that too.
        let copy = withRights { openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard FolderListing.visit(taking: copy, { names.append(String(cString: $0)) }) else {
            throw FileError("list", ".")
        }
        return names
    }

    /// Names in a folder of anybody's, as the bytes that they are: a name need not be UTF-8. Links in its path are
    /// followed, and its rights stay as they are.
    package static func names(in path: String) throws(FileError) -> [[UInt8]] {
        var names: [[UInt8]] = []
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let isListed = FolderListing.visit(taking: folder) { name in
            names.append(Array(UnsafeRawBufferPointer(start: name, count: strlen(name))))
        }
        guard isListed else { throw FileError("open", path) }
        return names
    }

    /// Makes a folder, and those above it, where they are missing. Links are followed.
    package static func make(_ path: String, mode: mode_t) throws(FileError) {
        try make(path) { mkdir($0, mode) }
    }

    /// The same by another call than `mkdir`, of the same result.
    package static func make(_ path: String, by makeOne: (String) -> Int32) throws(FileError) {
        if makeOne(path) == 0 || errno == EEXIST { return }
        let number = errno
        let above = GuardedPath.split(path).folder
        guard number == ENOENT, above != "/", above != "." else { throw FileError("make folder", path, number) }
        try make(above, by: makeOne)
        guard makeOne(path) == 0 || errno == EEXIST else { throw FileError("make folder", path) }
    }

    /// Makes a folder of this user's alone (mode 0700), whose name nobody else has.
    ///
    /// - Parameter start: Its path, to which a few characters are added.
    /// - Returns: Its path.
    package static func makeUnique(_ start: String) throws(FileError) -> String {
        var path = Array("\(start)XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else { throw FileError("make folder", start) }
        return String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
