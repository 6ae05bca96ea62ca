import BSON
import Glibc

/// A task's checkpoint outlives its attempts: between two of them it waits in `<state>/checkpoints/<task id>.<attempt>`, for
/// the next one on this machine, and in MongoDB for any other. Blocking calls: for pool threads only.
extension AttemptDirectory {
    private var keepersPath: String { "\(parent)/../checkpoints" }

    /// Puts away what the script left in its checkpoint folder, in place of an older one.
    package func keepCheckpoint() throws(AttemptError) {
        // An empty one is nothing to keep.
        guard rmdir(checkpointPath) != 0 else { return }
        if errno == ENOENT { return }
        guard errno == ENOTEMPTY || errno == EEXIST else { throw .call("examine", checkpointPath) }
        try keepCheckpoint(at: checkpointPath, of: attempt)
    }

    private func keepCheckpoint(at path: String, of attempt: Int32) throws(AttemptError) {
        guard mkdir(keepersPath, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", keepersPath) }
        let keepers = try LocalFolder(keepersPath)
        for older in try keptCheckpoints() { try keepers.removeTree(older.name) }
        guard rename(path, "\(keepersPath)/\(taskID).\(attempt)") == 0 else { throw .call("rename", path) }
    }

    /// Gives the new attempt what an earlier one put away here, if it did.
    package func restoreCheckpoint() throws(AttemptError) {
        let kept = try keptCheckpoints()
        guard let newest = kept.last else { return }
        guard rename("\(keepersPath)/\(newest.name)", checkpointPath) == 0 || errno == ENOENT else {
            throw .call("rename", "\(keepersPath)/\(newest.name)")
        }
        let keepers = try LocalFolder(keepersPath)
        for older in kept.dropLast() { try keepers.removeTree(older.name) }
    }

    /// Removes a directory whose script was never started, and puts the checkpoint back for the next attempt; where that
    /// fails, the directory stays.
    func takeBack() throws(AttemptError) {
        try keepCheckpoint()
        try remove()
    }

    /// Which attempt left what waits here; `nil` where nothing does.
    func newestCheckpoint() throws(AttemptError) -> Int32? { try keptCheckpoints().last?.attempt }

    /// The oldest first. A name without an attempt is that of an earlier version of ours.
    private func keptCheckpoints() throws(AttemptError) -> [(name: String, attempt: Int32)] {
        guard access(keepersPath, F_OK) == 0 else { return [] }
        let own = "\(taskID)"
        return try LocalFolder(keepersPath).names().compactMap { name -> (name: String, attempt: Int32)? in
            if name == own { return (name, 0) }
            guard name.hasPrefix(own + "."), let attempt = Int32(name.dropFirst(own.count + 1)) else { return nil }
            return (name, attempt)
        }.sorted { $0.attempt < $1.attempt }
    }

    // MARK: From another machine

    /// Makes an empty folder for a checkpoint that is to be brought here.
    func makeArrivalFolder() throws(AttemptError) -> String {
        guard mkdir(keepersPath, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", keepersPath) }
        let keepers = try LocalFolder(keepersPath)
        let name = ".\(taskID).\(getpid())"
        try keepers.removeTree(name)
        try keepers.makeFolder(name, mode: 0o755)
        return "\(keepersPath)/\(name)"
    }

    /// Makes the folders above a file that is to be brought into an arrival folder.
    func makeFolders(above path: String, in arrival: String) throws(AttemptError) {
        var folder = arrival
        for part in path.split(separator: "/").dropLast() {
            folder += "/\(part)"
            guard mkdir(folder, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", folder) }
        }
    }

    /// What has arrived waits for the next attempt on this machine.
    func keepArrived(_ arrival: String, of attempt: Int32) throws(AttemptError) {
        try keepCheckpoint(at: arrival, of: attempt)
    }

    func removeArrived(_ arrival: String) {
        guard let name = arrival.split(separator: "/").last else { return }
        // What stays is removed before the next arrival.
        try? LocalFolder(keepersPath).removeTree(String(name))
    }
}
