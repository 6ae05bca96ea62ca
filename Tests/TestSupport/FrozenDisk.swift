import Glibc

/// A file system that can be made to hold whoever writes to it: such a process does not even die of SIGKILL.
public struct FrozenDisk: Sendable {
    public let path: String

    /// Why there is none here; `nil` where there is one.
    public static let obstacle: String? = {
        if geteuid() != 0 { return "needs root, to mount a file system" }
        do {
            let folder = try makeTemporaryDirectory("frozen")
            defer { removeTree(folder) }
            let disk = try FrozenDisk(at: "\(folder)/disk")
            disk.thaw()
            disk.remove()
            return nil
        } catch {
            return "\(error)"
        }
    }()

    /// Mounts it on a folder that is made, open to everybody, and freezes it.
    public init(at path: String) throws {
        self.path = path
        try Self.shell(
            """
            set -e; PATH=$PATH:/usr/sbin:/sbin; mkdir '\(path)'; truncate --size 8M '\(path).image'
            mkfs.ext4 -q '\(path).image'; mount -o loop '\(path).image' '\(path)'; chmod 777 '\(path)'; fsfreeze -f '\(path)'
            """
        )
    }

    /// Lets everybody go on.
    public func thaw() { try? Self.shell("/usr/sbin/fsfreeze -u '\(path)' || /sbin/fsfreeze -u '\(path)'") }

    public func remove() { umount2(path, CInt(MNT_DETACH)) }

    private static func shell(_ script: String) throws {
        let words = ["/bin/sh", "-c", "exec >/dev/null 2>&1; \(script)"]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for text in arguments { free(text) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, words[0], nil, nil, arguments, environ) == 0 else {
            throw TestResourceError(message: "/bin/sh cannot be started")
        }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        if status != 0 { throw TestResourceError(message: "no file system can be made, mounted and frozen") }
    }
}
