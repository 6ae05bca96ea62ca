import Files
import Glibc
import Logging
import NIOPosix
import TensorHub

/// Checkpoints between attempts, wherever they run.
extension AttemptExecution {
    /// Whether what is left in the checkpoint folder is the task's checkpoint: the script says that it is one, or it
    /// has not said what is. A folder that it was writing to when it ended takes the place of one that it had called
    /// complete neither in MongoDB nor on this machine, where the next attempt would begin with it.
    func countsFolder(_ ended: Ended, _ link: ScriptLink) -> Bool {
        !hasDeclared(link) || ended.outcome == .checkpointed
    }

    /// Whether the script has called a checkpoint complete, in whichever attempt.
    private func hasDeclared(_ link: ScriptLink) -> Bool {
        link.backend.hasCheckpoint || task.checkpoint?.isDeclared == true
    }

    func storeCheckpoint(_ ended: Ended, _ link: ScriptLink) async {
        guard let directory = ended.directory else { return }
        do {
            let files = try await context.pool.runIfActive { try directory.checkpointFiles() }
            if files.isEmpty { return }
            try await link.backend.storeLastCheckpoint(files, isDeclared: hasDeclared(link))
        } catch {
            logger.error("The checkpoint stays on this machine alone", metadata: ["error": "\(error)"])
        }
    }

    /// The task is finished: nothing goes on from its checkpoint.
    func releaseCheckpoint(_ link: ScriptLink) async {
        guard let checkpoint = link.delivery.storedCheckpoint ?? task.checkpoint else { return }
        do {
            try await context.store.releaseCheckpoint(checkpoint)
        } catch {
            logger.debug("The checkpoint is left to the collector of orphans", metadata: ["error": "\(error)"])
        }
    }

    /// Brings the task's checkpoint to this machine, unless what waits here is as new. Waits for MongoDB while nobody
    /// wants the attempt to stop; where the bytes of the checkpoint are lost or wrong, that is told, and the script
    /// begins without.
    ///
    /// - Throws: What `AttemptError.isOfMachine` says of this machine, for everything else.
    func fetchCheckpoint(_ directory: AttemptDirectory) async throws {
        guard let checkpoint = task.checkpoint, checkpoint.attempt < id.number else { return }
        let waiting = try await context.pool.runIfActive { try directory.newestCheckpoint() }
        if let waiting, waiting >= checkpoint.attempt { return }
        let arrival = try await context.pool.runIfActive { [self] in try directory.makeArrivalFolder(context.runner) }
        do {
            for file in checkpoint.files { try await fetch(file, to: arrival, directory) }
            try await context.pool.runIfActive { try directory.putAwayArrived(arrival, of: checkpoint.attempt) }
        } catch {
            try? await context.pool.runIfActive { directory.removeArrived(arrival) }
            // A full disk, a lack of rights or of descriptors is this machine's: the checkpoint is there for another
            // one.
            guard let error = error as? HubError, error.code == .blobLost || error.code == .hashMismatch,
                control.reason == nil
            else {
                if AttemptError.isOfMachine(error) { throw error }
                throw AttemptError(.machine, "the task's checkpoint cannot be brought to this machine: \(error)")
            }
            logger.error(
                "The checkpoint cannot be brought to this machine; the script begins without it",
                metadata: ["error": "\(error)"]
            )
        }
    }

    private func fetch(_ file: StoredFile, to arrival: String, _ directory: AttemptDirectory) async throws {
        // The document may have been written by anybody.
        guard StoredFile.isRelative(file.path) else { return }
        try await context.pool.runIfActive { try directory.makeFolders(above: file.path, in: arrival) }
        let path = "\(arrival)/\(file.path)"
        let isOver = { [control] in control.reason != nil }
        let arrived: Void? = try await context.persistence.untilAccepted(isOver: isOver) {
            () async throws(HubError) in
            try await context.store.downloadCheckpoint(file, to: path)
        } failed: { error, _ in
            guard error.isTransient, !context.persistence.mustGiveUp() else { throw error }
            context.availability.failed(error)
            try? await context.pool.runIfActive { try directory.state.remove(path) }
        }
        if arrived == nil { throw AttemptError(.machine, "it was stopped before it began") }
        let mode = mode_t(truncatingIfNeeded: file.mode) & 0o777 | 0o600
        try await context.pool.runIfActive {
            let written = try directory.state.openRegular(path, O_RDONLY)
            fchmod(written, mode)
            close(written)
        }
    }
}
