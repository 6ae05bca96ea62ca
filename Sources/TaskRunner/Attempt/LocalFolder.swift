import Glibc

/// An open folder and the plain file calls on names in it. Everything blocks: for pool threads only.
struct LocalFolder: ~Copyable {
    let descriptor: Int32

    init(_ path: String) throws(AttemptError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .call("open", path) }
    }

    init(_ name: String, in parent: borrowing LocalFolder) throws(AttemptError) {
        descriptor = openat(parent.descriptor, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw .call("open", name) }
    }

    /// For a name as the folder lists it, which need not be UTF-8.
    init(entry name: [CChar], in parent: borrowing LocalFolder) throws(AttemptError) {
        descriptor = openat(parent.descriptor, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw .call("open", "a folder") }
    }

    deinit { close(descriptor) }

    func makeFolder(_ name: String, mode: mode_t) throws(AttemptError) {
        guard mkdirat(descriptor, name, mode) == 0 else { throw .call("make folder", name) }
    }

    /// Makes a new file; one that is there already is an error.
    func create(
        _ name: String,
        _ bytes: [UInt8],
        mode: mode_t = 0o600,
        isSynced: Bool = false
    ) throws(AttemptError) {
        try write(name, bytes, flags: O_EXCL, mode: mode, isSynced: isSynced)
    }

    /// Puts the whole file in place at once: whoever opens it sees the old bytes or the new ones.
    ///
    /// - Parameter isSynced: Whether a power cut, too, leaves the one or the other.
    func replace(_ name: String, _ bytes: [UInt8], isSynced: Bool = false) throws(AttemptError) {
        let temporary = ".\(name).new"
        try write(temporary, bytes, flags: O_TRUNC, mode: 0o600, isSynced: isSynced)
        guard renameat(descriptor, temporary, descriptor, name) == 0 else { throw .call("rename", name) }
    }

    private func write(
        _ name: String,
        _ bytes: [UInt8],
        flags: Int32,
        mode: mode_t,
        isSynced: Bool
    ) throws(AttemptError) {
        let file = openat(descriptor, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, mode)
        guard file >= 0 else { throw .call("create", name) }
        defer { close(file) }
        try LocalFile.checkRegular(file, name)
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
        let file = openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if file < 0, errno == ENOENT || errno == ELOOP { return nil }
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
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw .call("list", ".") }
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
    /// Whether this machine is short of something or its disk fails, so that the same call may succeed later. Anything else
    /// that a file call says of an attempt directory is a script's doing, and stays so.
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
