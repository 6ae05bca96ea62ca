import Glibc

extension LocalFolder {
    /// Gives a file or folder of this process's user the rights back that its owner needs, where a script has taken
    /// them away.
    ///
    /// - Parameter folder: What a relative name is below.
    /// - Returns: Whether rights were missing and are back.
    @discardableResult
    package static func restoreMode(_ name: String, in folder: Int32 = AT_FDCWD) -> Bool {
        GuardedPath.restoreRights(name, in: folder)
    }

    /// Makes a call on a name in this folder, once more where the folder's own rights had to be restored for it.
    package func withRights(_ call: () -> Int32) -> Int32 {
        let result = call()
        guard result < 0, errno == EACCES, GuardedPath.restoreRights(descriptor) else { return result }
        restored?.note()
        return call()
    }

    /// The same for a call that opens what has the name: its own rights may be missing too.
    package func withRights(to name: String, _ call: () -> Int32) -> Int32 {
        let result = withRights(call)
        guard result < 0, errno == EACCES, Self.restoreMode(name, in: descriptor) else { return result }
        restored?.note()
        return call()
    }
}
