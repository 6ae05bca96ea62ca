import Glibc
import TensorHub

/// An open folder and the plain file calls on names in it. Everything blocks: for pool threads only.
///
/// No call on a name follows a link, waits on a named pipe, or writes into a file that has another name elsewhere.
/// Where the folder is ours and a script has taken our rights to it away, they are restored.
struct LocalFolder: ~Copyable {
    let descriptor: Int32
    /// Where a restoration is noted.
    let restored: RestoredRights?

    /// A folder that no script can reach, such as one of /proc: links in its path are followed.
    init(_ path: String) throws(AttemptError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        restored = nil
        guard descriptor >= 0 else { throw .call("open", path) }
    }

    /// A folder that scripts can reach: no part of its path may be a link.
    ///
    /// - Parameter root: Above it, or itself; ours from there on, and rights that were taken away are restored.
    init(_ path: String, below root: String, noting restored: RestoredRights? = nil) throws(AttemptError) {
        self.restored = restored
        var opened = GuardedPath.open(path, O_RDONLY | O_DIRECTORY)
        if opened < 0, errno == EACCES, GuardedPath.restoreRights(path, below: root) {
            restored?.note()
            opened = GuardedPath.open(path, O_RDONLY | O_DIRECTORY)
        }
        descriptor = opened
        guard descriptor >= 0 else { throw .call("open", path) }
    }

    init(_ name: String, in parent: borrowing LocalFolder) throws(AttemptError) {
        let folder = parent.descriptor
        descriptor = parent.withRights(to: name) {
            openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        }
        restored = parent.restored
        guard descriptor >= 0 else { throw .call("open", name) }
    }

    deinit { close(descriptor) }

    func makeFolder(_ name: String, mode: mode_t) throws(AttemptError) {
        guard withRights({ mkdirat(descriptor, name, mode) }) == 0 else { throw .call("make folder", name) }
    }

    /// Makes a folder unless it is there; whatever else has the name goes.
    func ensureFolder(_ name: String, mode: mode_t) throws(AttemptError) {
        if withRights({ mkdirat(descriptor, name, mode) }) == 0 { return }
        guard errno == EEXIST else { throw .call("make folder", name) }
        if isFolder(name) { return }
        try removeTree(name)
        try makeFolder(name, mode: mode)
    }

    func isFolder(_ name: String) -> Bool { status(name).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

    func isFile(_ name: String) -> Bool { status(name).map { $0.st_mode & S_IFMT == S_IFREG } ?? false }

    /// What has that name, itself; `nil` where nothing has.
    func status(_ name: String) -> stat? {
        var status = stat()
        let result = withRights { fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) }
        return result == 0 ? status : nil
    }

    /// Removes a file; what is not there is no error.
    func removeFile(_ name: String) throws(AttemptError) {
        guard withRights({ unlinkat(descriptor, name, 0) }) == 0 || errno == ENOENT else { throw .call("remove", name) }
    }

    /// Removes a file or a folder with all that is in it; what is not there is no error.
    func removeTree(_ name: String) throws(AttemptError) {
        guard FolderTree.remove(name, in: descriptor) == 0 else { throw .call("remove", name) }
    }

    /// Gives what has the name another one.
    func rename(_ name: String, to other: String, in folder: borrowing LocalFolder) throws(AttemptError) {
        let (from, to) = (descriptor, folder.descriptor)
        var result = withRights { renameat(from, name, to, other) }
        if result < 0, errno == EACCES { result = folder.withRights { renameat(from, name, to, other) } }
        // A folder that gets another one above it is itself changed.
        if result < 0, errno == EACCES, Self.restoreMode(name, in: from) {
            restored?.note()
            result = renameat(from, name, to, other)
        }
        guard result == 0 else { throw .call("rename", name) }
    }

    /// All names in it outlive a power cut.
    func sync(_ call: (Int32) -> Int32 = { fsync($0) }) throws(AttemptError) {
        guard call(descriptor) == 0 else { throw .call("sync", "a folder") }
    }

    /// Makes a new file; one that is there already is an error.
    func create(
        _ name: String,
        _ bytes: [UInt8],
        mode: mode_t = 0o600,
        isSynced: Bool = false
    ) throws(AttemptError) {
        try write(name, bytes, mode: mode, isSynced: isSynced)
    }

    /// Puts the whole file in place at once: whoever opens it sees the old bytes or the new ones.
    ///
    /// - Parameter isSynced: Whether a power cut, too, leaves the one or the other.
    func replace(_ name: String, _ bytes: [UInt8], isSynced: Bool = false) throws(AttemptError) {
        let temporary = ".\(name).new"
        do throws(AttemptError) { try create(temporary, bytes, isSynced: isSynced) } catch {
            // What a killed process or a script has left there.
            guard error.systemError == EEXIST else { throw error }
            try removeTree(temporary)
            try create(temporary, bytes, isSynced: isSynced)
        }
        do throws(AttemptError) { try rename(temporary, to: name, in: self) } catch {
            // A folder that a script has made.
            guard isFolder(name) else { throw error }
            try removeTree(name)
            try rename(temporary, to: name, in: self)
        }
    }

    private func write(_ name: String, _ bytes: [UInt8], mode: mode_t, isSynced: Bool) throws(AttemptError) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let file = withRights { openat(descriptor, name, flags, mode) }
        guard file >= 0 else { throw .call("create", name) }
        defer { close(file) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .call("write", name) }
            rest = rest.dropFirst(count)
        }
        if isSynced, fdatasync(file) != 0 { throw .call("sync", name) }
    }

    /// The bytes of a regular file, at most `limit + 1` so that the caller can tell one that is longer; nil when there
    /// is none. Never follows a link, never waits on a named pipe: the script may have left anything here.
    func read(_ name: String, limit: Int) throws(AttemptError) -> [UInt8]? {
        let file = withRights(to: name) {
            openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        }
        // A socket cannot be opened at all.
        if file < 0, errno == ENOENT || errno == ELOOP || errno == ENXIO { return nil }
        guard file >= 0 else { throw .call("open", name) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let wanted = min(Int(status.st_size), limit) + 1
        var failure: AttemptError?
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let got = Glibc.read(file, buffer.baseAddress! + count, wanted - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = .call("read", name) }
                guard got > 0 else { break }
                count += got
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// The bytes of a file of /proc, whose size the system does not tell before.
    func readAll(_ name: String) throws(AttemptError) -> [UInt8] {
        let file = openat(descriptor, name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .call("open", name) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .call("read", name) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// Names in the folder, without `.` and `..`.
    func names() throws(AttemptError) -> [String] {
        // A descriptor of its own, because closing the stream closes that too.
        let copy = withRights { openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard copy >= 0 else { throw .call("list", ".") }
        guard let stream = fdopendir(copy) else {
            let error = AttemptError.call("list", ".")
            close(copy)
            throw error
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

extension AttemptError {
    /// Whether this machine is short of something or its disk fails, so that the same call may succeed later. Anything
    /// else that a file call says of an attempt directory is a script's doing, and stays so.
    package var mayPass: Bool { systemError.map(Self.isShortage) ?? false }

    static func isShortage(_ error: Int32) -> Bool {
        [EAGAIN, ENOMEM, ENOSPC, EDQUOT, EMFILE, ENFILE, EIO, EROFS].contains(error)
    }

    /// A failed system call, told from errno.
    static func call(_ call: String, _ name: String) -> AttemptError {
        let error = errno
        return AttemptError(
            .machine,
            "cannot \(call) '\(name)': \(String(cString: strerror(error)))",
            systemError: error
        )
    }
}
