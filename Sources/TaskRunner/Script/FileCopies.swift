import Files
import Glibc
import Synchronization

/// Files that are copied a piece at a time and synced, so that whoever copies can stop between two pieces. Blocks: for
/// threads of bulk work only.
final class FileCopies: Sendable {
    /// Bytes.
    private static let pieceSize = 64 << 20
    /// What opening a file counts as: thousands of small ones are pieces too.
    private static let openingCost = 256 << 10

    private struct State {
        var rest: ArraySlice<(source: String, target: String)>
        var open: LocalFile.Copy?
    }

    private let folder: StateFolder
    private let sync: @Sendable (Int32) -> Int32
    private let state: Mutex<State>

    /// - Parameter sync: Called for each copy that is complete: `fdatasync`, but in tests.
    init(
        _ files: [(source: String, target: String)],
        in folder: StateFolder,
        sync: @escaping @Sendable (Int32) -> Int32 = { fdatasync($0) }
    ) {
        self.folder = folder
        self.sync = sync
        state = Mutex(State(rest: files[...]))
    }

    /// - Returns: Whether there is more.
    func copyPiece() throws -> Bool {
        try state.withLock { state in
            var left = Self.pieceSize
            while left > 0 {
                if let copy = state.open {
                    let count = try copy.go(on: left)
                    left -= count
                    if count == 0 {
                        try copy.sync(sync)
                        state.open = nil
                    }
                    continue
                }
                guard let next = state.rest.popFirst() else { return false }
                state.open = try LocalFile.Copy(next.source, to: next.target, in: folder)
                left -= Self.openingCost
            }
            return true
        }
    }
}
