import Glibc

extension LocalFolder {
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
        guard result < 0, errno == EACCES, GuardedPath.restoreRights(name, in: descriptor) else { return result }
        restored?.note()
        return call()
    }
}
