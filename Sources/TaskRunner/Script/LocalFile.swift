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
        let file = try openRegular(path, O_WRONLY | flags, toDo: "create")
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
        let file = try openRegular(path, O_RDONLY)
        defer { close(file) }
        guard fdatasync(file) == 0 else { throw .call("sync", path) }
    }

    /// Opens a file that a script may have replaced: never through a link, never waiting on a named pipe.
    ///
    /// - Throws: Where it is no regular file.
    static func openRegular(
        _ path: String,
        _ flags: Int32,
        toDo verb: String = "open"
    ) throws(AttemptError) -> Int32 {
        let file = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard file >= 0 else { throw .call(verb, path) }
        do throws(AttemptError) {
            try checkRegular(file, path)
        } catch {
            close(file)
            throw error
        }
        return file
    }

    static func checkRegular(_ file: Int32, _ path: String) throws(AttemptError) {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .call("examine", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw AttemptError(
                .machine,
                "'\(path)' is no regular file; a script must leave the journal alone",
                systemError: ESPIPE
            )
        }
    }

    /// The copy of a file while it is made; where the file system can, it shares the blocks.
    final class Copy: Sendable {
        private let source: String
        private let target: String
        private let from: Int32
        private let to: Int32

        init(_ source: String, to target: String) throws(AttemptError) {
            let from = try LocalFile.openRegular(source, O_RDONLY)
            let to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard to >= 0 else {
                let error = AttemptError.call("create", target)
                close(from)
                throw error
            }
            self.source = source
            self.target = target
            self.from = from
            self.to = to
        }

        deinit {
            close(from)
            close(to)
        }

        /// Goes on from where both files stand.
        ///
        /// - Returns: How many bytes it has copied, at most `limit`; 0 at the end.
        func go(on limit: Int) throws(AttemptError) -> Int {
            while true {
                let count = tensorhub_copy_file_range(from, to, limit)
                if count >= 0 { return count }
                if errno == EINTR { continue }
                guard [EXDEV, EINVAL, EOPNOTSUPP, ENOSYS].contains(errno) else { throw .call("copy", source) }
                return try copyBytes(min(limit, 1 << 20))
            }
        }

        private func copyBytes(_ limit: Int) throws(AttemptError) -> Int {
            var buffer = [UInt8](repeating: 0, count: limit)
            var got = read(from, &buffer, limit)
            while got < 0, errno == EINTR { got = read(from, &buffer, limit) }
            guard got >= 0 else { throw .call("read", source) }
            var done = 0
            while done < got {
                let count = buffer.withUnsafeBytes { Glibc.write(to, $0.baseAddress! + done, got - done) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw .call("write", target) }
                done += count
            }
            return got
        }
    }
}
