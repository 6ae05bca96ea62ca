public import BSON
import Files
import Glibc

/// Everything outside of the process that settings are made from, so that tests need no real home folder.
public struct SettingsInputs: Sendable {
    /// What is behind a path.
    public enum File: Sendable {
        case missing
        /// With the system's words on why.
        case unreadable(String)
        case content([UInt8])
    }

    /// By key name, as often as each was given; lists and labels may also be separated by commas.
    public var flags: [ByteString: [String]]
    /// The value of `--config`.
    public var configFile: String?
    public var environment: [ByteString: String]
    public var hostName: String
    public var homeDirectory: String?
    public var currentDirectory: String
    public var isRoot: Bool
    public var readFile: @Sendable (String) -> File
    /// Whether every user of the machine may read the file.
    public var isReadableByAll: @Sendable (String) -> Bool

    public init(
        flags: [ByteString: [String]] = [:],
        configFile: String? = nil,
        environment: [ByteString: String] = [:],
        hostName: String = "localhost",
        homeDirectory: String? = nil,
        currentDirectory: String = "/",
        isRoot: Bool = false,
        readFile: @escaping @Sendable (String) -> File = { _ in .missing },
        isReadableByAll: @escaping @Sendable (String) -> Bool = { _ in false }
    ) {
        self.flags = flags
        self.configFile = configFile
        self.environment = environment
        self.hostName = hostName
        self.homeDirectory = homeDirectory
        self.currentDirectory = currentDirectory
        self.isRoot = isRoot
        self.readFile = readFile
        self.isReadableByAll = isReadableByAll
    }

    /// The inputs of this process. To be called at start, before threads exist that might change the environment.
    public static func ofProcess(flags: [ByteString: [String]] = [:], configFile: String? = nil) -> SettingsInputs {
        let variables = [ByteString: String](variables: environ)
        return SettingsInputs(
            flags: flags,
            configFile: configFile,
            environment: variables,
            hostName: currentHostName(),
            homeDirectory: variables["HOME"].flatMap { $0.bytes.hasPrefix("/") ? $0 : nil } ?? passwordFileHome(),
            currentDirectory: currentFolder(),
            isRoot: geteuid() == 0,
            readFile: readFile,
            isReadableByAll: isReadableByAll
        )
    }

    private static func isReadableByAll(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & 0o004 != 0
    }

    private static func currentHostName() -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let status = buffer.withUnsafeMutableBytes { bytes in
            gethostname(bytes.bindMemory(to: CChar.self).baseAddress!, bytes.count - 1)
        }
        let name = String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
        return status == 0 && !name.isEmpty ? name : "localhost"
    }

    private static func passwordFileHome() -> String? {
        guard let home = getpwuid(geteuid())?.pointee.pw_dir else { return nil }
        let path = String(cString: home)
        return path.bytes.hasPrefix("/") ? path : nil
    }

    private static func currentFolder() -> String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }

    /// Far beyond any configuration; a device or a log named by mistake must not fill the memory.
    private static let maximumFileSize = 1 << 20

    private static func readFile(_ path: String) -> File {
        // The path may be a pipe that nobody writes to: opening it does not block.
        do throws(FileError) {
            let bytes = try OpenFile(path).readAll(limit: maximumFileSize)
            return bytes.count > maximumFileSize ? .unreadable("it is larger than 1 MiB") : .content(bytes)
        } catch {
            return error.number == ENOENT || error.number == ENOTDIR ? .missing : .unreadable(error.reason)
        }
    }
}
