import Glibc
import Synchronization

/// Files that are copied a piece at a time, so that whoever copies can stop between two pieces. Blocks: for threads of bulk
/// work only.
final class FileCopies: Sendable {
    /// Bytes.
    private static let pieceSize = 64 << 20
    /// What opening a file counts as: thousands of small ones are pieces too.
    private static let openingCost = 256 << 10

    private struct State {
        var rest: ArraySlice<(source: String, target: String)>
        var open: LocalFile.Copy?
    }

    private let state: Mutex<State>

    init(_ files: [(source: String, target: String)]) {
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
                    if count == 0 { state.open = nil }
                    continue
                }
                guard let next = state.rest.popFirst() else { return false }
                state.open = try LocalFile.Copy(next.source, to: next.target)
                left -= Self.openingCost
            }
            return true
        }
    }
}
