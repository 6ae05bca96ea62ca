import Files
import TensorHub

/// The files of a checkpoint folder, and what tells whether the script changes them.
struct CheckpointState: Sendable {
    /// Ordered by their paths.
    let files: [SourceFile]
    let snapshot: FileSnapshot

    /// Blocks.
    ///
    /// - Throws: As `AttemptDirectory.checkpointFiles()`.
    init(_ directory: AttemptDirectory) throws {
        files = try directory.checkpointFiles()
        snapshot = FileSnapshot(
            files.map { ($0.path, "\(directory.checkpointPath)/\($0.path)") },
            followingLinks: false
        )
    }
}
