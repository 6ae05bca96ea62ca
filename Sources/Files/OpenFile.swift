import CLinux
package import Glibc

/// An open file, closed with this value. All calls block; none is cut short by a signal.
package struct OpenFile: ~Copyable, Sendable {
    package let path: String
    package let descriptor: Int32

    /// Opens the file that a path leads to, through links too. A named pipe keeps nobody waiting.
    package init(_ path: String, _ flags: Int32 = O_RDONLY, mode: UInt32 = 0, toDo verb: String = "open")
        throws(FileError)
    {
        self.path = path
        descriptor = open(path, flags | O_CLOEXEC | O_NONBLOCK, mode)
        guard descriptor >= 0 else { throw FileError(verb, path) }
    }

    /// The same where scripts may have made links: no part of the path may be one.
    package init(
        guarded path: String,
        _ flags: Int32 = O_RDONLY,
        mode: UInt32 = 0,
        toDo verb: String = "open"
    ) throws(FileError) {
        self.path = path
        descriptor = GuardedPath.open(path, flags, mode: mode)
        guard descriptor >= 0 else { throw FileError(verb, path) }
    }

    /// Takes a descriptor over.
    package init(taking descriptor: Int32, _ path: String) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    package func status() throws(FileError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError("read", path) }
        return status
    }

    /// Whether it is a file, and nothing else that has a name.
    package var isRegular: Bool { ((try? status())?.st_mode ?? 0) & S_IFMT == S_IFREG }

    /// Locks the open file (flock); the lock ends with it.
    ///
    /// - Parameter isWaiting: Whether to wait while somebody else has it locked.
    /// - Returns: `false` where somebody else has.
    package func lock(isWaiting: Bool = false) throws(FileError) -> Bool {
        try Self.lock(descriptor, path, isWaiting: isWaiting)
    }

    package static func lock(_ descriptor: Int32, _ path: String, isWaiting: Bool = false) throws(FileError) -> Bool {
        if tensorhub_lock(descriptor, isWaiting ? 1 : 0) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw FileError("lock", path) }
        return false
    }

    /// Its bytes are on the disk when this returns.
    package func synchronize() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw FileError("sync", path) }
    }

    // MARK: Bytes

    /// Bytes from there on: so many, fewer only at its end.
    ///
    /// - Parameter offset: `nil` for where the file stands.
    package func read(at offset: Int64? = nil, upTo count: Int) throws(FileError) -> [UInt8] {
        try Self.read(descriptor, path, at: offset, upTo: count)
    }

    /// All bytes to the end, of what tells no size beforehand too: a pipe, a file of /proc.
    ///
    /// - Parameter limit: At more it stops, so that the caller can tell that there are more.
    package func readAll(limit: Int = .max) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while bytes.count <= limit {
            let count = buffer.withUnsafeMutableBytes { Self.read(descriptor, $0, at: nil) }
            guard count >= 0 else { throw FileError("read", path) }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    package func write(_ bytes: [UInt8], at offset: Int64? = nil) throws(FileError) {
        try Self.write(descriptor, path, bytes, at: offset)
    }

    package static func read(
        _ descriptor: Int32,
        _ path: String,
        at offset: Int64?,
        upTo wanted: Int
    ) throws(FileError) -> [UInt8] {
        var fault: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let rest = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[count..<wanted]
                )
                let got = read(descriptor, rest, at: offset.map { $0 + Int64(count) })
                if got < 0 { fault = errno }
                if got <= 0 { break }
                count += got
            }
        }
        if fault != 0 { throw FileError("read", path, fault) }
        return bytes
    }

    /// - Returns: What read(2) or pread(2) does, but for signals.
    package static func read(
        _ descriptor: Int32,
        _ buffer: UnsafeMutableRawBufferPointer,
        at offset: Int64?
    ) -> Int {
        while true {
            let count =
                if let offset { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) } else {
                    Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                }
            if count >= 0 || errno != EINTR { return count }
        }
    }

    package static func write(
        _ descriptor: Int32,
        _ path: String,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64? = nil
    ) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count =
                if let offset { pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) } else {
                    Glibc.write(descriptor, rest.baseAddress, rest.count)
                }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError("write", path) }
            done += count
        }
    }

    package static func write(
        _ descriptor: Int32,
        _ path: String,
        _ bytes: [UInt8],
        at offset: Int64? = nil
    ) throws(FileError) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(FileError) in try write(descriptor, path, buffer, at: offset) }
        }
        try result.get()
    }
}
