import Glibc

/// The state directory: ours, and within reach of every script, since scripts run as the user that we run as. What is
/// opened below it is opened through no link, and where a script has taken our rights away they are restored.
/// Everything blocks: for pool threads only.
package struct StateFolder: Sendable {
    /// Without links in it.
    package let path: String
    package let restored: RestoredRights?

    package init(_ path: String, noting restored: RestoredRights? = nil) {
        self.path = path
        self.restored = restored
    }

    /// The folder above, where that of a file is given: for files without a state directory around them.
    package init(around path: String) { self.init(Self.parent(path)) }

    /// - Parameter path: Absolute.
    package func open(_ path: String) throws(FileError) -> LocalFolder {
        try LocalFolder(path, below: self.path, noting: restored)
    }

    /// The same; `nil` where there is no such folder: nothing, or something else.
    package func openIfThere(_ path: String) throws(FileError) -> LocalFolder? {
        do throws(FileError) { return try open(path) } catch {
            guard [ENOENT, ENOTDIR, ELOOP].contains(error.number) else { throw error }
            return nil
        }
    }

    /// The folder of a file.
    package func folder(of path: String) throws(FileError) -> LocalFolder { try open(Self.parent(path)) }

    /// Removes a file or a folder with all that is in it; what is not there is no error.
    package func remove(_ path: String) throws(FileError) { try folder(of: path).removeTree(Self.name(path)) }

    /// Opens a regular file; a file that has another name elsewhere is not opened for writing.
    ///
    /// - Throws: Where it is something else.
    package func openRegular(_ path: String, _ flags: Int32, toDo verb: String = "open") throws(FileError) -> Int32 {
        var file = GuardedPath.open(path, flags, mode: 0o600)
        if file < 0, errno == EACCES, GuardedPath.restoreRights(path, below: self.path) {
            restored?.note()
            file = GuardedPath.open(path, flags, mode: 0o600)
        }
        guard file >= 0 else { throw FileError(verb, path) }
        do throws(FileError) {
            try Self.check(file, path, isWritten: flags & O_ACCMODE != O_RDONLY)
        } catch {
            close(file)
            throw error
        }
        return file
    }

    /// Makes a new file in the place of whatever has its name.
    package func create(_ path: String) throws(FileError) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_EXCL
        do throws(FileError) { return try openRegular(path, flags, toDo: "create") } catch {
            guard error.number == EEXIST else { throw error }
            try remove(path)
            return try openRegular(path, flags, toDo: "create")
        }
    }

    private static func check(_ file: Int32, _ path: String, isWritten: Bool) throws(FileError) {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw FileError("examine", path) }
        guard status.st_mode & S_IFMT == S_IFREG, !isWritten || status.st_nlink <= 1 else {
            throw FileError(
                "open",
                path,
                ESPIPE,
                fault: "'\(path)' is no regular file of its own; a script must leave the journal alone"
            )
        }
    }

    package static func parent(_ path: String) -> String { GuardedPath.split(path).folder }

    package static func name(_ path: String) -> String { GuardedPath.split(path).name }
}
