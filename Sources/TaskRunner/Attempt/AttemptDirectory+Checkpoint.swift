import BSON
import Glibc

/// A task's checkpoint outlives its attempts: between two of them it waits in `<state>/checkpoints/<task id>.<attempt>`, for
/// the next one on this machine, and in MongoDB for any other. Blocking calls: for pool threads only.
extension AttemptDirectory {
    private var waitingPath: String { "\(parent)/../\(WaitingCheckpoints.folderName)" }

    /// Puts away what the script left in its checkpoint folder, in place of an older one.
    package func putAwayCheckpoint() throws(AttemptError) {
        // An empty one is nothing to keep.
        guard rmdir(checkpointPath) != 0 else { return }
        if errno == ENOENT { return }
        guard errno == ENOTEMPTY || errno == EEXIST else { throw .call("examine", checkpointPath) }
        try putAwayCheckpoint(at: checkpointPath, of: attempt)
    }

    private func putAwayCheckpoint(at path: String, of attempt: Int32) throws(AttemptError) {
        guard mkdir(waitingPath, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", waitingPath) }
        let waiting = try LocalFolder(waitingPath)
        removeWaiting(try waitingCheckpoints(), in: waiting)
        // A folder without rights for its owner cannot be moved.
        LocalFolder.restoreMode(path)
        guard rename(path, "\(waitingPath)/\(taskID).\(attempt)") == 0 else { throw .call("rename", path) }
    }

    /// Gives the new attempt what an earlier one put away here, if it did.
    package func restoreCheckpoint() throws(AttemptError) {
        let found = try waitingCheckpoints().filter(canBeOurs)
        guard let newest = found.last else { return }
        LocalFolder.restoreMode("\(waitingPath)/\(newest.name)")
        guard rename("\(waitingPath)/\(newest.name)", checkpointPath) == 0 || errno == ENOENT else {
            throw .call("rename", "\(waitingPath)/\(newest.name)")
        }
        let waiting = try LocalFolder(waitingPath)
        removeWaiting(found.dropLast(), in: waiting)
    }

    /// One that cannot be removed waits on, until its task has ended; it keeps nobody from a newer one.
    private func removeWaiting(
        _ checkpoints: some Sequence<(name: String, attempt: Int32)>,
        in waiting: borrowing LocalFolder
    ) {
        for checkpoint in checkpoints { try? waiting.remove(checkpoint.name) }
    }

    /// Whether an earlier attempt can have left it; anything else a script has put there.
    private func canBeOurs(_ checkpoint: (name: String, attempt: Int32)) -> Bool {
        var status = stat()
        return checkpoint.attempt < attempt && lstat("\(waitingPath)/\(checkpoint.name)", &status) == 0
            && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Removes a directory whose script was never started, and puts the checkpoint back for the next attempt; where that
    /// fails, the directory stays.
    func takeBack() throws(AttemptError) {
        try putAwayCheckpoint()
        try remove()
    }

    /// Which attempt left what waits here; `nil` where nothing does.
    func newestCheckpoint() throws(AttemptError) -> Int32? { try waitingCheckpoints().filter(canBeOurs).last?.attempt }

    /// The oldest first. A name without an attempt is that of an earlier version of ours.
    private func waitingCheckpoints() throws(AttemptError) -> [(name: String, attempt: Int32)] {
        guard access(waitingPath, F_OK) == 0 else { return [] }
        let own = "\(taskID)"
        return try LocalFolder(waitingPath).names().compactMap { name -> (name: String, attempt: Int32)? in
            if name == own { return (name, 0) }
            guard name.hasPrefix(own + "."), let attempt = Int32(name.dropFirst(own.count + 1)) else { return nil }
            return (name, attempt)
        }.sorted { $0.attempt < $1.attempt }
    }

    // MARK: From another machine

    /// Makes an empty folder for a checkpoint that is to be brought here by that runner.
    func makeArrivalFolder(_ runner: ObjectID) throws(AttemptError) -> String {
        guard mkdir(waitingPath, 0o755) == 0 || errno == EEXIST else { throw .call("make folder", waitingPath) }
        let waiting = try LocalFolder(waitingPath)
        let name = WaitingCheckpoints.arrivalName(of: taskID, runner)
        try waiting.remove(name)
        try waiting.makeFolder(name, mode: 0o755)
        return "\(waitingPath)/\(name)"
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
    func putAwayArrived(_ arrival: String, of attempt: Int32) throws(AttemptError) {
        try putAwayCheckpoint(at: arrival, of: attempt)
    }

    func removeArrived(_ arrival: String) {
        guard let name = arrival.split(separator: "/").last else { return }
        // What stays is removed before the next arrival, or once the runner is gone.
        try? LocalFolder(waitingPath).remove(String(name))
    }
}
