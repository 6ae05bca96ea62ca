import BSON
import Files
import TensorHub

/// The files of a checkpoint folder, and what tells whether the script changes them.
struct CheckpointState: Sendable {
    /// Ordered by their paths.
    let files: [SourceFile]
    private let states: [FileState?]

    /// Blocks.
    ///
    /// - Throws: As `AttemptDirectory.checkpointFiles()`.
    init(_ directory: AttemptDirectory) throws {
        files = try directory.checkpointFiles()
        states = files.map { FileState("\(directory.checkpointPath)/\($0.path)", followingLinks: false) }
    }

    /// How long to wait until any further change shows.
    var unsureFor: Duration { states.lazy.compactMap { $0?.unsureFor }.max() ?? .zero }

    /// The path of the first file that is new, gone or changed; `nil` where all is as it was.
    func difference(from other: CheckpointState) -> String? {
        for (index, file) in (files.count < other.files.count ? other : self).files.enumerated() {
            guard index < files.count, index < other.files.count,
                files[index].path.bytes == other.files[index].path.bytes, states[index] == other.states[index]
            else { return file.path }
        }
        return nil
    }
}
