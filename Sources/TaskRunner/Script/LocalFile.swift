import CLinux
import Glibc

/// Calls on single files of this machine. Everything blocks: for pool threads only.
enum LocalFile {
    /// Moves a file within a file system and sees that its bytes are on the disk.
    static func move(_ source: String, to target: String) throws(AttemptError) {
        try sync(source)
        guard rename(source, target) == 0 else { throw .call("move", source) }
    }

    static func write(_ bytes: [UInt8], to path: String, isSynced: Bool = false) throws(AttemptError) {
        try put(bytes, path, O_CREAT | O_EXCL)
        if isSynced { try sync(path) }
    }

    static func append(_ bytes: [UInt8], to path: String) throws(AttemptError) { try put(bytes, path, O_APPEND) }

    private static func put(_ bytes: [UInt8], _ path: String, _ flags: Int32) throws(AttemptError) {
        let file = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0o600)
        guard file >= 0 else { throw .call("create", path) }
        defer { close(file) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + done, $0.count - done) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .call("write", path) }
            done += count
        }
    }

    static func sync(_ path: String) throws(AttemptError) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw .call("open", path) }
        defer { close(file) }
        guard fdatasync(file) == 0 else { throw .call("sync", path) }
    }

    /// Copies a file; where the file system can, the copy shares the blocks.
    static func copy(_ source: String, to target: String) throws(AttemptError) {
        let from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard from >= 0 else { throw .call("open", source) }
        defer { close(from) }
        let to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard to >= 0 else { throw .call("create", target) }
        defer { close(to) }
        while true {
            let count = tensorhub_copy_file_range(from, to, 1 << 30)
            if count < 0, errno == EINTR { continue }
            if count < 0, [EXDEV, EINVAL, EOPNOTSUPP, ENOSYS].contains(errno) {
                return try copyBytes(from, to, target)
            }
            guard count >= 0 else { throw .call("copy", source) }
            if count == 0 { return }
        }
    }

    /// Goes on from where both files stand.
    private static func copyBytes(_ from: Int32, _ to: Int32, _ target: String) throws(AttemptError) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let got = read(from, &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw .call("read", target) }
            if got == 0 { return }
            var done = 0
            while done < got {
                let count = buffer.withUnsafeBytes { Glibc.write(to, $0.baseAddress! + done, got - done) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw .call("write", target) }
                done += count
            }
        }
    }
}
