import CLinux
import Files
import Glibc

/// A lock that processes of this machine share: flock(2) on a file that is there only while somebody holds or wants it.
enum ContentLock {
    /// Runs the body while nobody else has the lock. Whoever waits asks again and again: so it can be cancelled, and no
    /// thread is blocked for as long as a download takes.
    static func with<Value>(_ path: String, _ body: () async throws -> Value) async throws -> Value {
        var pause = Duration.milliseconds(2)
        while true {
            if let descriptor = try take(path) {
                defer { release(path, descriptor) }
                return try await body()
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(100))
        }
    }

    /// Runs the body if nobody has the lock.
    ///
    /// - Returns: Whether it ran.
    static func tryWith(_ path: String, _ body: () -> Int32) -> Bool {
        guard let descriptor = try? take(path) else { return false }
        defer { release(path, descriptor) }
        return body() == 0
    }

    /// - Returns: The descriptor that holds the lock; `nil` where somebody else does.
    private static func take(_ path: String) throws(HubError) -> Int32? {
        let flags = O_RDWR | O_CREAT
        var descriptor = GuardedPath.open(path, flags, mode: 0o600)
        if descriptor < 0, [EACCES, EISDIR, ELOOP].contains(errno) {
            // A script's doing: our rights to it are given back, or what is in its place is removed.
            if !GuardedPath.restoreRights(at: path) { FolderTree.remove(path) }
            descriptor = GuardedPath.open(path, flags, mode: 0o600)
        }
        guard descriptor >= 0 else { throw HubError(FileError("open", path)) }
        // It may have been unlinked between the two, and then it locks nothing that others see.
        var held = stat()
        guard tensorhub_lock(descriptor, 0) == 0, fstat(descriptor, &held) == 0,
            let named = GuardedPath.status(path), held.st_ino == named.st_ino, held.st_dev == named.st_dev
        else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func release(_ path: String, _ descriptor: Int32) {
        ContentFolder.unlink(path)
        close(descriptor)
    }
}
