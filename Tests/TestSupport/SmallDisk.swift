import Glibc

/// A file system in memory that is soon full.
public struct SmallDisk: Sendable {
    public let path: String

    /// Bytes.
    public static let size = 8 << 20

    /// Mounts it on a folder that is made.
    public init(at path: String) throws {
        mkdir(path, 0o755)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(Self.size),mode=755") == 0 else {
            throw TestResourceError(message: "a tmpfs cannot be mounted: \(String(cString: strerror(errno)))")
        }
        self.path = path
    }

    /// Why none can be mounted here; `nil` where one can.
    public static let obstacle: String? = {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/tensorhub-disk-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { return "no temporary folder can be made" }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { rmdir(path) }
        do {
            try SmallDisk(at: path).remove()
            return nil
        } catch {
            return (error as? TestResourceError)?.message ?? "\(error)"
        }
    }()

    /// Takes all that is free.
    public func fill() {
        let file = open("\(path)/ballast", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        let bytes = [UInt8](repeating: 0, count: 4096)
        while write(file, bytes, bytes.count) > 0 {}
    }

    /// Gives it back.
    public func free() { unlink("\(path)/ballast") }

    public func remove() { umount2(path, CInt(MNT_DETACH)) }
}
