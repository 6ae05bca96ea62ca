import BSON
import Files
import Glibc

/// Where the script API of an attempt listens. Every runner of the machine finds the same place.
enum ScriptSocket {
    /// The kernel takes 107 bytes and a NUL.
    static let pathLimit = 107

    /// In the attempt directory, or, where that is too long a path, in a folder of this user's below /tmp.
    static func path(for directory: AttemptDirectory, token: ObjectID) -> String {
        let path = directory.socketPath
        return path.utf8.count <= pathLimit ? path : "\(shortFolder)/\(token)"
    }

    private static var shortFolder: String { "\(temporaryFolder)/tensorhub-\(geteuid())" }

    /// Without a link in it.
    private static let temporaryFolder: String = {
        guard let path = realpath("/tmp", nil) else { return "/tmp" }
        defer { free(path) }
        return String(cString: path)
    }()

    /// Makes the folder of a short path. Blocks.
    ///
    /// - Throws: Where somebody else has made it, or may write to it.
    static func prepare(_ path: String) throws {
        guard path.bytes.hasPrefix("\(shortFolder)/") else { return }
        guard mkdir(shortFolder, 0o700) == 0 || errno == EEXIST else { throw FileError("make folder", shortFolder) }
        var status = stat()
        guard lstat(shortFolder, &status) == 0 else { throw FileError("examine", shortFolder) }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            throw AttemptError(
                .machine,
                "'\(shortFolder)' is not a folder of this user's alone; remove it, or choose a shorter state-directory"
            )
        }
    }

    /// Removes the file of a socket that nobody listens on any more; one in an attempt directory goes with that.
    /// Blocks.
    static func remove(_ path: String) {
        if path.bytes.hasPrefix("\(shortFolder)/") { unlink(path) }
    }
}
