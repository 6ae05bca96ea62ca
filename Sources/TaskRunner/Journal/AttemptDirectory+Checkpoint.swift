import BSON
package import Files
import Glibc
import TensorHub

/// A task's checkpoint outlives its attempts: between two of them it waits in `<state>/checkpoints/<task
/// id>.<attempt>`, for the next one on this machine, and in MongoDB for any other. Blocking calls: for pool threads
/// only.
extension AttemptDirectory {
    private var waitingPath: String { "\(state.path)/\(WaitingCheckpoints.folderName)" }

    /// The folder, which is made where it is missing.
    private func waiting() throws(FileError) -> LocalFolder {
        let home = try state.open(state.path)
        try home.ensureFolder(WaitingCheckpoints.folderName, mode: 0o755)
        return try LocalFolder(WaitingCheckpoints.folderName, in: home)
    }

    /// Puts away what the script left in its checkpoint folder, in place of an older one. Anything but a folder is
    /// nothing to keep.
    package func putAwayCheckpoint() throws(FileError) {
        guard let directory = try state.openIfThere(path) else { return }
        guard directory.isFolder(Self.checkpointName) else { return }
        // An empty one is not either.
        if directory.withRights({ unlinkat(directory.descriptor, Self.checkpointName, AT_REMOVEDIR) }) == 0 { return }
        guard errno == ENOTEMPTY || errno == EEXIST else { throw FileError("examine", checkpointPath) }
        try putAway(Self.checkpointName, in: directory, of: id.number)
    }

    private func putAway(
        _ name: String,
        in folder: borrowing LocalFolder,
        of attempt: Int
    ) throws(FileError) {
        let waiting = try waiting()
        removeWaiting(try waitingCheckpoints(waiting), in: waiting)
        try folder.rename(name, to: "\(AttemptID(task: id.task, number: attempt))", in: waiting)
    }

    /// Gives the new attempt what an earlier one put away here, if it did.
    package func restoreCheckpoint() throws(FileError) {
        guard let waiting = try state.openIfThere(waitingPath) else { return }
        let found = try waitingCheckpoints(waiting).filter(canBeOurs)
        guard let newest = found.last else { return }
        let directory = try state.open(path)
        // The new one is empty.
        do throws(FileError) { try waiting.rename(newest.name, to: Self.checkpointName, in: directory) } catch {
            guard error.number == ENOENT else { throw error }
        }
        removeWaiting(found.dropLast(), in: waiting)
    }

    /// One that cannot be removed waits on, until its task has ended; it keeps nobody from a newer one.
    private func removeWaiting(
        _ checkpoints: some Sequence<(name: String, attempt: Int)>,
        in waiting: borrowing LocalFolder
    ) {
        for checkpoint in checkpoints { try? waiting.removeTree(checkpoint.name) }
    }

    /// Whether an earlier attempt can have left it; anything else a script has put there.
    private func canBeOurs(_ checkpoint: (name: String, attempt: Int)) -> Bool {
        checkpoint.attempt < id.number
    }

    /// Removes a directory whose script was never started, and puts the checkpoint back for the next attempt; where
    /// that fails, the directory stays.
    func takeBack() throws(FileError) {
        try putAwayCheckpoint()
        try remove()
    }

    /// Which attempt left what waits here; `nil` where nothing does.
    func newestCheckpoint() throws(FileError) -> Int? {
        guard let waiting = try state.openIfThere(waitingPath) else { return nil }
        return try waitingCheckpoints(waiting).filter(canBeOurs).last?.attempt
    }

    /// The oldest first. A name without an attempt is that of an earlier version of ours; anything but a folder is a
    /// script's.
    private func waitingCheckpoints(
        _ waiting: borrowing LocalFolder
    ) throws(FileError) -> [(name: String, attempt: Int)] {
        let own = "\(id.task)"
        var found: [(name: String, attempt: Int)] = []
        for name in try waiting.names() where name.bytes.hasPrefix(own.bytes) && waiting.isFolder(name) {
            if name.bytes == own.bytes { found.append((name, 0)) }
            guard let attempt = name.bytes.dropping("\(own).").flatMap({ Int($0) }) else { continue }
            found.append((name, attempt))
        }
        return found.sorted { $0.attempt < $1.attempt }
    }

    // MARK: From another machine

    /// Makes an empty folder for a checkpoint that is to be brought here by that runner.
    func makeArrivalFolder(_ runner: ObjectID) throws(FileError) -> String {
        let waiting = try waiting()
        let name = WaitingCheckpoints.arrivalName(of: id.task, runner)
        try waiting.removeTree(name)
        try waiting.makeFolder(name, mode: 0o755)
        return "\(waitingPath)/\(name)"
    }

    /// Makes the folders above a file that is to be brought into an arrival folder.
    func makeFolders(above path: String, in arrival: String) throws(FileError) {
        var folder = arrival
        for part in path.bytes.split(separator: "/").dropLast() {
            try state.open(folder).ensureFolder(part.text, mode: 0o755)
            folder += "/\(part)"
        }
    }

    /// What has arrived waits for the next attempt on this machine.
    func putAwayArrived(_ arrival: String, of attempt: Int) throws(FileError) {
        try putAway(StateFolder.name(arrival), in: waiting(), of: attempt)
    }

    func removeArrived(_ arrival: String) {
        // What stays is removed before the next arrival, or once the runner is gone.
        try? state.remove(arrival)
    }
}
