public import Glibc

/// The user that daemons and their scripts run as where the tests themselves run as root: the modes of files mean
/// nothing to root, and no daemon of ours is to be root's. Where the tests run as anybody else, that is who runs them,
/// and nothing here changes anything.
public enum Unprivileged {
    /// The user's number, and the group's; `nil` where nothing is to change. No account has the number on a Debian or
    /// Ubuntu machine, and none is needed.
    public static let user: uid_t? = geteuid() == 0 ? 60_600 : nil

    /// The command, to be run as that user. It keeps its process number, its environment and its descriptors.
    ///
    /// - Parameter arguments: The program first; looked for in `PATH` where it has no slash.
    public static func command(_ arguments: [String]) -> [String] {
        guard let user else { return arguments }
        return ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "--"] + arguments
    }

    /// Makes a file or a folder, without what is in it, that user's.
    public static func give(_ path: String) throws {
        guard let user else { return }
        guard lchown(path, user, user) == 0 else { throw FileError(path: path, number: errno) }
    }

    /// Becomes that user for good, for whom modes of files mean something, and takes a folder along. For a process of
    /// its own.
    public static func become(owning folder: String) {
        guard let user else { return }
        chown(folder, user, user)
        _ = setgid(user)
        _ = setuid(user)
    }

    /// Where our executables lie so that this user can run them: in the build's folder, else copied from there once.
    public static func programs() throws -> String { try located.get() }

    private static let located = Result { try locate() }

    private static func locate() throws -> String {
        let executable = "/proc/self/exe"
        guard let resolved = realpath(executable, nil) else { throw FileError(path: executable, number: errno) }
        defer { free(resolved) }
        // `swift test` runs the bundle itself.
        let path = String(cString: resolved)
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        // The executables have the toolchain's libraries, as this process has.
        let libraries = try loadedLibraries().filter { !isOpenToAll($0) }
        if user == nil || isOpenToAll(folder) && libraries.isEmpty { return folder }

        let copies = try makeTemporaryDirectory("programs")
        removeAtExit(copies)
        chmod(copies, 0o755)
        let programs = ["tensorhub", "tensorhubd", "tensorhub-supervisor"].map { "\(folder)/\($0)" }
        for file in programs + libraries { try copy(file, into: copies) }
        guard isOpenToAll(copies) else {
            throw TestResourceError(message: "user \(user ?? 0) cannot reach \(copies); set TMPDIR to a folder for all")
        }
        return copies
    }

    /// Those of the Swift runtime and whatever else was found by the executables' own search path.
    private static func loadedLibraries() throws -> Set<String> {
        let paths = try readLines("/proc/self/maps").compactMap { line in
            line.firstIndex(of: "/").map { String(line[$0...]) }
        }
        return Set(paths.filter { $0.contains(".so") })
    }

    /// Whether everybody may read a file or go through a folder, and through all folders above it.
    private static func isOpenToAll(_ path: String) -> Bool {
        var path = path
        while !path.isEmpty {
            var status = stat()
            guard stat(path, &status) == 0 else { return false }
            let needed: mode_t = status.st_mode & S_IFMT == S_IFDIR ? S_IXOTH : S_IROTH
            guard status.st_mode & needed != 0 else { return false }
            path = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        }
        return true
    }

    private static func copy(_ path: String, into folder: String) throws {
        let target = "\(folder)/\(path.split(separator: "/").last ?? "")"
        let reader = open(path, O_RDONLY | O_CLOEXEC)
        guard reader >= 0 else { throw FileError(path: path, number: errno) }
        defer { close(reader) }
        let writer = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o755)
        guard writer >= 0 else { throw FileError(path: target, number: errno) }
        defer { close(writer) }
        fchmod(writer, 0o755)
        while case let count = sendfile(writer, reader, nil, 1 << 30), count != 0 {
            guard count > 0 else { throw FileError(path: target, number: errno) }
        }
    }
}
