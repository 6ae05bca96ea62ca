import BSON
import Files
import Glibc
import Synchronization
import TensorHub

extension AttemptBackend {
    /// Copies the checkpoint folder, so that the script may change it at once; the copy goes to MongoDB. Once this
    /// returns, not even a power cut takes it: its files and their record are synced, and so are the folders with their
    /// names.
    func storeCheckpoint() async throws(HubError) {
        let number = nextCheckpoint()
        let folder = AttemptDirectory.keptCheckpointName(number)
        let partial = ".\(folder)"
        let files: [SourceFile]
        do throws(HubError) {
            files = try await copyWhole(to: partial)
            let sync = delivery.outbox.sync
            try await onDisk { directory in
                try directory.state.open("\(directory.keptPath)/\(partial)").sync(sync)
                // No record names what has the number already: an earlier runner did not come to write one.
                directory.removeKeptFolder(folder)
                guard try directory.putKeptFolder(partial, as: folder) else {
                    throw FileError("rename", partial)
                }
                try directory.syncKept(sync)
            }
        } catch {
            try? await onDisk { $0.removeKeptFolder(partial) }
            throw error
        }
        let record = OutboxSink.checkpoint(files, folder: folder, number: number, isDeclared: true)
        do throws(HubError) {
            try await delivery.append([record], isSynced: true, checkpoint: number)
        } catch {
            try? await onDisk { $0.removeKeptFolder(folder) }
            throw error
        }
        // Those before it are not worth their room any more; one that is just being stored is left to its delivery.
        try? await onDisk { directory in
            for older in try directory.keptCheckpointNumbers()
            where older < number && !self.delivery.isDelivering(checkpoint: older) {
                directory.removeKeptFolder(AttemptDirectory.keptCheckpointName(older))
            }
        }
    }

    /// Copies the folder as it is at one moment, once more where the script writes to it meanwhile.
    private func copyWhole(to partial: String) async throws(HubError) -> [SourceFile] {
        var failure = HubError.changed(directory.checkpointPath)
        for _ in 0..<FileState.tries {
            let before = try await onDisk { directory in
                directory.removeKeptFolder(partial)
                try directory.makePartialFolder(partial)
                return try CheckpointState(directory)
            }
            if before.snapshot.unsureFor > .zero { try? await Task.sleep(for: before.snapshot.unsureFor) }
            var fault: HubError?
            do throws(HubError) { try await copy(before.files, to: partial) } catch { fault = error }
            let after = try await onDisk { try CheckpointState($0) }
            guard let change = after.snapshot.difference(from: before.snapshot) else {
                if let fault { throw fault }
                return before.files
            }
            failure = .changed("\(directory.checkpointPath)/\(change)")
        }
        throw failure
    }

    private func copy(_ files: [SourceFile], to folder: String) async throws(HubError) {
        let copies = FileCopies(
            files.enumerated().map { index, file in
                ("\(directory.checkpointPath)/\(file.path)", "\(directory.keptPath)/\(folder)/\(index)")
            },
            in: directory.state,
            sync: delivery.outbox.sync
        )
        while try await inBulk({ _ in try copies.copyPiece() }) {}
    }

    /// A number that no record has, nor any other call.
    private func nextCheckpoint() -> Int {
        let newest = delivery.newestCheckpoint
        return checkpoints.withLock { state in
            state = max(state, newest) + 1
            return state
        }
    }
}

extension AttemptBackend {
    /// Whether the script has called a checkpoint complete, in this attempt, and its copy is written down.
    var hasCheckpoint: Bool { delivery.newestCheckpoint > 0 }

    /// The checkpoint folder itself, once the script has ended: no copy is needed.
    func storeLastCheckpoint(_ files: [SourceFile], isDeclared: Bool) async throws(HubError) {
        let number = nextCheckpoint()
        let folder = AttemptDirectory.checkpointName
        let record = OutboxSink.checkpoint(files, folder: folder, number: number, isDeclared: isDeclared)
        try await delivery.append([record], checkpoint: number)
    }
}

extension OutboxSink {
    static func checkpoint(
        _ files: [SourceFile],
        folder: String,
        number: Int,
        isDeclared: Bool
    ) -> OutboxRecord {
        OutboxRecord(
            kind: .checkpoint,
            payload: [
                "folder": .string(folder), "number": .init(smallest: number), "declared": .bool(isDeclared),
                "files": Self.files(files),
            ]
        )
    }
}

extension AttemptDirectory {
    /// So many files name themselves in a task's document.
    static let checkpointLimit = 10_000

    /// The regular files below the checkpoint folder, ordered by their paths. Links and other things are left out.
    ///
    /// - Throws: `HubError.invalidInput` for more than ``checkpointLimit``.
    func checkpointFiles() throws -> [SourceFile] {
        var files: [SourceFile] = []
        var waiting = [""]
        while let below = waiting.popLast() {
            // It may be gone again, or something else by now: a temporary folder of the script's.
            guard let folder = try state.openIfThere(below.isEmpty ? checkpointPath : "\(checkpointPath)/\(below)")
            else { continue }
            for name in try folder.names() {
                let path = below.isEmpty ? name : "\(below)/\(name)"
                guard let status = folder.status(name) else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR: waiting.append(path)
                case S_IFREG:
                    files.append(
                        SourceFile(
                            path: path,
                            mode: Int32(status.st_mode & 0o777),
                            source: .file("\(checkpointPath)/\(path)")
                        )
                    )
                default: break
                }
            }
            if files.count > Self.checkpointLimit {
                throw HubError(
                    .invalidInput,
                    "the checkpoint has more than \(Self.checkpointLimit) files; pack them into fewer"
                )
            }
        }
        return files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }
}
