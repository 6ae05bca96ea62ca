import Files
import Glibc
import Synchronization

/// What an earlier process has left, or what a script has made of it.
extension Outbox {
    /// Goes on with what an earlier process has left; a record that it did not come to finish is cut off.
    ///
    /// - Returns: Whether something else was in the place of the folder: nobody knows what was in it.
    @discardableResult
    func recover() throws(FileError) -> Bool {
        guard let all = try state.openIfThere(folder) else {
            guard let journal = try state.openIfThere(StateFolder.parent(folder)) else { return false }
            let name = StateFolder.name(folder)
            guard journal.status(name) != nil else { return false }
            try journal.rename(name, to: "\(name).damaged", in: journal)
            return true
        }
        guard let (first, last) = Self.segments(try all.names().filter { all.isFile($0) }) else { return false }
        var start = Position(segment: first, offset: 0)
        if let bytes = try all.read("position", limit: 64), let stored = Self.position(bytes) {
            start = max(start, stored)
        }
        let end: Position
        do throws(FileError) { end = Position(segment: last, offset: try cut(last)) } catch {
            // Nothing can be written behind it; what can be read of it still is.
            if error.mayPass { throw error }
            end = Position(segment: last + 1, offset: 0)
        }
        // A position behind the end can only come from a disk that lost its latest writes.
        let delivered = min(start, end)
        writer.withLock { $0.end = end }
        reader.withLock { $0.delivered = delivered }
        return false
    }

    /// The first segment and the last. A number far from all others is no segment but a script's doing.
    private static func segments(_ names: [String]) -> (first: UInt64, last: UInt64)? {
        let numbers = names.compactMap(UInt64.init).filter { (1..<1 << 40).contains($0) }.sorted()
        guard let first = numbers.first else { return nil }
        // Some may have been removed, but not thousands.
        let next = zip(numbers, numbers.dropFirst()).prefix { $1 - $0 < 1000 }.last
        return (first, next?.1 ?? first)
    }

    /// Removes what is no whole record at the end of a segment. Returns its length then.
    private func cut(_ segment: UInt64) throws(FileError) -> Int64 {
        let path = path(of: segment)
        let file = try state.openRegular(path, O_RDWR)
        defer { close(file) }
        var offset: Int64 = 0
        var isWhole = false
        while !isWhole {
            let bytes = try OpenFile.read(file, path, at: offset, upTo: Self.readSize)
            var index = 0
            var wanted: Int?
            reading: while index < bytes.count {
                switch OutboxRecord.read(bytes, at: index) {
                case .record(_, let end): index = end
                case .cut(let length):
                    wanted = length
                    break reading
                case .damaged:
                    isWhole = true
                    break reading
                }
            }
            offset += Int64(index)
            if bytes.isEmpty { isWhole = true }
            if index == 0, let wanted, !isWhole {
                // Longer than what was read, or cut off.
                let whole = try OpenFile.read(file, path, at: offset, upTo: wanted)
                if case .record(_, let end) = OutboxRecord.read(whole, at: 0) {
                    offset += Int64(end)
                } else {
                    isWhole = true
                }
            }
        }
        guard ftruncate(file, off_t(offset)) == 0 else { throw FileError("cut", path) }
        // It may be full, and nothing will be written to it any more.
        guard sync(file) == 0 else { throw FileError("sync", path) }
        return offset
    }
}
