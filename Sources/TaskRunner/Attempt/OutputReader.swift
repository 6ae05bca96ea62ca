package import Files
import Glibc
import Synchronization

/// Reads `output.log` while the supervisor writes it, in constant memory. Calls block on the disk: for pool threads
/// only.
///
/// Offsets in the file are offsets in the output. The supervisor frees the middle of a long output and always writes
/// before it frees. So the reader reads first and asks for the size after: what ``hole(size:)`` then names may have
/// been zeros and is dropped, all else is what the script printed. A gap shows as a jump between the offsets of two
/// chunks.
package final class OutputReader: Sendable {
    private struct State {
        var file: Int32 = -1
        var position: Int64
    }

    private let path: String
    private let folder: StateFolder
    private let limit: Int64
    private let head: Int64
    private let state: Mutex<State>

    /// Bytes that are kept from the beginning of an output that passes its limit, on disk and in MongoDB.
    static let head: Int64 = 1 << 20
    private static let step: Int64 = 1 << 20

    /// - Parameters:
    ///   - limit: the attempt's ``AttemptPlan/outputLimit``.
    ///   - offset: where to begin: the end of what an earlier runner has delivered.
    package convenience init(
        path: String,
        limit: Int64,
        from offset: Int64 = 0
    ) {
        self.init(path, in: StateFolder(around: path), limit: limit, from: offset)
    }

    private init(_ path: String, in folder: StateFolder, limit: Int64, from offset: Int64) {
        self.path = path
        self.folder = folder
        self.limit = max(limit, 0)
        head = min(Self.head, self.limit)
        state = Mutex(State(position: max(offset, 0)))
    }

    package convenience init(_ directory: AttemptDirectory, limit: Int64, from offset: Int64 = 0) {
        self.init(directory.outputPath, in: directory.state, limit: limit, from: offset)
    }

    deinit {
        state.withLock { state in
            if state.file >= 0 { close(state.file) }
        }
    }

    /// Where the next chunk begins, or after it when there is a gap.
    package var position: Int64 { state.withLock(\.position) }

    /// The next piece of output; nil when there is nothing more now, or no file yet.
    package func next(maxBytes: Int = 262_144) throws(FileError) -> OutputPiece? {
        let result: Result<OutputPiece?, FileError> = state.withLock { state in
            do throws(FileError) { return .success(try next(&state, max(maxBytes, 1))) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func next(_ state: inout State, _ maxBytes: Int) throws(FileError) -> OutputPiece? {
        guard try open(&state) else { return nil }
        while true {
            var data = try OpenFile.read(state.file, path, at: state.position, upTo: maxBytes)
            let hole = hole(size: try size(of: state.file))
            if hole.contains(state.position) {
                state.position = hole.upperBound
                continue
            }
            if data.isEmpty { return nil }
            if state.position < hole.lowerBound, state.position + Int64(data.count) > hole.lowerBound, !hole.isEmpty {
                data.removeLast(data.count - Int(hole.lowerBound - state.position))
            }
            defer { state.position += Int64(data.count) }
            return OutputPiece(offset: state.position, data: data)
        }
    }

    /// The last bytes of the output.
    package func tail(_ count: Int = 8192) throws(FileError) -> [UInt8] {
        let result: Result<[UInt8], FileError> = state.withLock { state in
            do throws(FileError) {
                guard try open(&state) else { return .success([]) }
                let size = try size(of: state.file)
                var start = max(0, size - Int64(max(count, 0)))
                let hole = hole(size: size)
                if start < hole.upperBound, !hole.isEmpty { start = max(start, hole.upperBound) }
                return .success(try OpenFile.read(state.file, path, at: start, upTo: Int(size - start)))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Whether all that is on disk was read. Only the record of an ended script's exit knows.
    package func isComplete(_ record: ExitRecord) -> Bool {
        let position = position
        let end = min(record.outputStored, record.outputBytes)
        return position >= end || record.outputGap.map { $0.contains(position) && $0.upperBound >= end } ?? false
    }

    /// Bytes that the supervisor has put on the disk and that are not there any more.
    func missing(_ record: ExitRecord) -> Int64 {
        isComplete(record) ? 0 : max(0, min(record.outputStored, record.outputBytes) - position)
    }

    /// The freed middle of a file of that size; the same formula as in the supervisor's output.c.
    func hole(size: Int64) -> Range<Int64> {
        let tail = limit - head
        let end = size > tail ? (size - tail) / Self.step * Self.step : 0
        return head..<max(head, end)
    }

    private func open(_ state: inout State) throws(FileError) -> Bool {
        if state.file >= 0 { return true }
        do throws(FileError) { state.file = try folder.openRegular(path, O_RDONLY) } catch {
            guard error.number == ENOENT else { throw error }
            return false
        }
        return true
    }

    private func size(of file: Int32) throws(FileError) -> Int64 {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw FileError("examine", path) }
        return Int64(status.st_size)
    }
}
