import Glibc

/// A task's checkpoint outlives its attempts: between two of them it waits in `<state>/checkpoints/<task id>`, for the next
/// one on this machine. Blocking calls: for pool threads only.
extension AttemptDirectory {
    private var keepersPath: String { "\(parent)/../checkpoints" }

    /// Puts away what the script left in its checkpoint folder, in place of an older one.
    package func keepCheckpoint() throws(AttemptError) {
        // An empty one is nothing to keep.
        guard rmdir(checkpointPath) != 0, errno == ENOTEMPTY || errno == EEXIST else { return }
        guard mkdir(keepersPath, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", keepersPath) }
        try LocalFolder(keepersPath).removeTree("\(taskID)")
        guard rename(checkpointPath, "\(keepersPath)/\(taskID)") == 0 else { throw .call("rename", checkpointPath) }
    }

    /// Gives the new attempt what an earlier one put away here, if it did.
    package func restoreCheckpoint() throws(AttemptError) {
        guard rename("\(keepersPath)/\(taskID)", checkpointPath) == 0 || errno == ENOENT else {
            throw .call("rename", "\(keepersPath)/\(taskID)")
        }
    }
}
