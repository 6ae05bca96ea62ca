import Glibc
import TensorHub

/// The state directory: ours, and within reach of every script, since scripts run as the user that we run as. What is
/// opened below it is opened through no link, and where a script has taken our rights away they are restored.
/// Everything blocks: for pool threads only.
struct StateFolder: Sendable {
    /// Without links in it.
    let path: String
    let restored: RestoredRights?

    init(_ path: String, noting restored: RestoredRights? = nil) {
        self.path = path
        self.restored = restored
    }

    /// The folder above, where that of a file is given: for files without a state directory around them.
    init(around path: String) { self.init(Self.parent(path)) }

    /// - Parameter path: Absolute.
    func open(_ path: String) throws(AttemptError) -> LocalFolder {
        try LocalFolder(path, below: self.path, noting: restored)
    }

    /// The same; `nil` where there is no such folder: nothing, or something else.
    func openIfThere(_ path: String) throws(AttemptError) -> LocalFolder? {
        do throws(AttemptError) { return try open(path) } catch {
            guard let number = error.systemError, [ENOENT, ENOTDIR, ELOOP].contains(number) else { throw error }
            return nil
        }
    }

    /// The folder of a file.
    func folder(of path: String) throws(AttemptError) -> LocalFolder { try open(Self.parent(path)) }

    /// Removes a file or a folder with all that is in it; what is not there is no error.
    func remove(_ path: String) throws(AttemptError) { try folder(of: path).removeTree(Self.name(path)) }

    /// Opens a regular file; a file that has another name elsewhere is not opened for writing.
    ///
    /// - Throws: Where it is something else.
    func openRegular(_ path: String, _ flags: Int32, toDo verb: String = "open") throws(AttemptError) -> Int32 {
        var file = GuardedPath.open(path, flags, mode: 0o600)
        if file < 0, errno == EACCES, GuardedPath.restoreRights(path, below: self.path) {
            restored?.note()
            file = GuardedPath.open(path, flags, mode: 0o600)
        }
        guard file >= 0 else { throw .call(verb, path) }
        do throws(AttemptError) {
            try Self.check(file, path, isWritten: flags & O_ACCMODE != O_RDONLY)
        } catch {
            close(file)
            throw error
        }
        return file
    }

    /// Makes a new file in the place of whatever has its name.
    func create(_ path: String) throws(AttemptError) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_EXCL
        do throws(AttemptError) { return try openRegular(path, flags, toDo: "create") } catch {
            guard error.systemError == EEXIST else { throw error }
            try remove(path)
            return try openRegular(path, flags, toDo: "create")
        }
    }

    private static func check(_ file: Int32, _ path: String, isWritten: Bool) throws(AttemptError) {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .call("examine", path) }
        guard status.st_mode & S_IFMT == S_IFREG, !isWritten || status.st_nlink <= 1 else {
            throw AttemptError(
                .machine,
                "'\(path)' is no regular file of its own; a script must leave the journal alone",
                systemError: ESPIPE
            )
        }
    }

    static func parent(_ path: String) -> String { GuardedPath.split(path).folder }

    static func name(_ path: String) -> String { GuardedPath.split(path).name }
}
