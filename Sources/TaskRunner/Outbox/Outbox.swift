import BSON
import Files
import Glibc
import Synchronization

/// What the script of an attempt has written and MongoDB has not got yet: records in append-only files, read back in
/// order, in constant memory. Every call blocks: for pool threads only.
///
/// ```
/// journal/outbox/1, 2, ...    segments; one that is delivered goes away
/// journal/outbox/position     how far they are delivered
/// ```
///
/// An append is one `write`. It survives any end of this process; only what is asked for is synced, so a power cut may
/// take the latest entries of logs, as it takes the script. Nothing is made on disk before the first append.
final class Outbox: Sendable {
    struct Position: Sendable, Hashable, Comparable {
        var segment: UInt64
        /// Bytes.
        var offset: Int64

        static func < (lhs: Position, rhs: Position) -> Bool {
            (lhs.segment, lhs.offset) < (rhs.segment, rhs.offset)
        }
    }

    /// Records that follow each other, and where the next one begins.
    struct Batch: Sendable {
        var records: [OutboxRecord]
        /// Bytes that were no records: the disk has damaged them, or the script has removed them.
        var damaged: Int64 = 0
        var start: Position
        var end: Position
    }

    struct Writer {
        var file: Int32 = -1
        var end = Position(segment: 1, offset: 0)
        /// Whether the name of the segment outlives a power cut.
        var isNamed = false
    }

    struct Reader {
        var file: Int32 = -1
        var segment: UInt64 = 0
        var positionFile: Int32 = -1
        var delivered = Position(segment: 1, offset: 0)
    }

    let folder: String
    let state: StateFolder
    private let segmentSize: Int64
    /// `fsync`, but in tests.
    let sync: @Sendable (Int32) -> Int32
    let writer = Mutex(Writer())
    let reader = Mutex(Reader())

    /// Bytes: a segment that has so many is followed by another one.
    static let segmentSize: Int64 = 16 << 20

    /// - Parameter sync: `fsync`, but in tests.
    init(
        _ folder: String,
        in state: StateFolder? = nil,
        segmentSize: Int64 = Outbox.segmentSize,
        sync: @escaping @Sendable (Int32) -> Int32 = { fsync($0) }
    ) {
        self.folder = folder
        self.state = state ?? StateFolder(around: folder)
        self.segmentSize = segmentSize
        self.sync = sync
    }

    deinit {
        writer.withLock { if $0.file >= 0 { close($0.file) } }
        reader.withLock {
            if $0.file >= 0 { close($0.file) }
            if $0.positionFile >= 0 { close($0.positionFile) }
        }
    }

    /// Where the next record will stand.
    var end: Position { writer.withLock { $0.end } }
    /// What is before it is delivered.
    var delivered: Position { reader.withLock { $0.delivered } }

    // MARK: Writing

    /// Writes all of them or, where it throws, none.
    ///
    /// - Parameter isSynced: Whether they and all before them must outlive a power cut too.
    /// - Returns: Where the last one ends.
    func append(_ records: [OutboxRecord], isSynced: Bool = false) throws(FileError) -> Position {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(records.reduce(0) { $0 + OutboxRecord.headerSize + $1.payload.bytes.count })
        for record in records { record.append(to: &bytes) }
        let result: Result<Position, FileError> = writer.withLock { writer in
            do throws(FileError) {
                try write(bytes, &writer)
                do throws(FileError) { if isSynced { try sync(&writer) } } catch {
                    // Whoever wanted them written takes the files away that they name.
                    writer.end.offset -= Int64(bytes.count)
                    ftruncate(writer.file, off_t(writer.end.offset))
                    throw error
                }
                return .success(writer.end)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func sync(_ writer: inout Writer) throws(FileError) {
        guard sync(writer.file) == 0 else { throw FileError("sync", folder) }
        if writer.isNamed { return }
        try state.open(folder).sync(sync)
        writer.isNamed = true
    }

    private func write(_ bytes: [UInt8], _ writer: inout Writer) throws(FileError) {
        if writer.end.offset >= segmentSize {
            if writer.file >= 0 {
                // What is synced later counts on all before it.
                guard sync(writer.file) == 0 else { throw FileError("sync", folder) }
                close(writer.file)
            }
            writer.file = -1
            writer.end = Position(segment: writer.end.segment + 1, offset: 0)
        }
        if writer.file < 0 { writer.file = try openLast(&writer) }
        do throws(FileError) {
            try OpenFile.write(writer.file, path(of: writer.end.segment), bytes, at: writer.end.offset)
        } catch {
            // Half a request is none.
            ftruncate(writer.file, off_t(writer.end.offset))
            throw error
        }
        writer.end.offset += Int64(bytes.count)
    }

    /// Opens the segment that is written to. One that an earlier process has begun may have been ruined since; then its
    /// records are lost, and the next one begins.
    private func openLast(_ writer: inout Writer) throws(FileError) -> Int32 {
        if writer.end.offset > 0 {
            do throws(FileError) { return try state.openRegular(path(of: writer.end.segment), O_WRONLY) } catch {
                if error.mayPass { throw error }
                writer.end = Position(segment: writer.end.segment + 1, offset: 0)
            }
        }
        try state.folder(of: folder).ensureFolder(StateFolder.name(folder), mode: 0o700)
        writer.isNamed = false
        return try state.create(path(of: writer.end.segment))
    }

    // MARK: Reading

    /// What one `pread` asks for; records that are longer are read one at a time.
    static let readSize = 1 << 20

    /// The records after a place: up to `limit`, and about 1 MiB. `nil` where there are none.
    func next(after start: Position, limit: Int) throws(FileError) -> Batch? {
        let end = end
        let result: Result<Batch?, FileError> = reader.withLock { reader in
            do throws(FileError) { return .success(try next(&reader, start, end, limit)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func next(
        _ reader: inout Reader,
        _ start: Position,
        _ end: Position,
        _ limit: Int
    ) throws(FileError) -> Batch? {
        var place = start
        do throws(FileError) { return try next(&reader, &place, end, limit) } catch {
            // A segment that is not there any more, or has something else in its place: only the script can have done
            // it.
            if error.mayPass { throw error }
            let isLast = place.segment >= end.segment
            return Batch(
                records: [],
                damaged: max(1, (isLast ? end.offset : segmentSize) - place.offset),
                start: place,
                end: isLast ? end : Position(segment: place.segment + 1, offset: 0)
            )
        }
    }

    private func next(
        _ reader: inout Reader,
        _ place: inout Position,
        _ end: Position,
        _ limit: Int
    ) throws(FileError) -> Batch? {
        while place < end {
            try openSegment(place.segment, &reader)
            let path = path(of: place.segment)
            var size = end.offset
            if place.segment < end.segment {
                var status = stat()
                guard fstat(reader.file, &status) == 0 else { throw FileError("examine", path) }
                size = Int64(status.st_size)
                if place.offset >= size {
                    place = Position(segment: place.segment + 1, offset: 0)
                    continue
                }
            }
            let rest = Int(size - place.offset)
            var bytes = try OpenFile.read(reader.file, path, at: place.offset, upTo: min(Self.readSize, rest))
            if case .cut(let length) = OutboxRecord.read(bytes, at: 0), length <= rest {
                bytes = try OpenFile.read(reader.file, path, at: place.offset, upTo: length)
            }
            var batch = Batch(records: [], start: place, end: place)
            var index = 0
            while index < bytes.count, batch.records.count < limit {
                guard case .record(let record, let end) = OutboxRecord.read(bytes, at: index) else { break }
                batch.records.append(record)
                index = end
            }
            batch.end.offset += Int64(index)
            if batch.records.isEmpty {
                // No record and not the end: nothing behind it in this segment can be trusted to begin anywhere.
                batch.damaged = Int64(rest)
                batch.end.offset = size
            }
            return batch
        }
        return nil
    }

    private func openSegment(_ segment: UInt64, _ reader: inout Reader) throws(FileError) {
        if reader.file >= 0, reader.segment == segment { return }
        if reader.file >= 0 { close(reader.file) }
        reader.file = -1
        reader.segment = segment
        reader.file = try state.openRegular(path(of: segment), O_RDONLY)
    }

    /// Remembers that all before that place is delivered, and removes the segments that are.
    func setDelivered(_ position: Position) throws(FileError) {
        let result: Result<Void, FileError> = reader.withLock { reader in
            do throws(FileError) { return .success(try setDelivered(position, &reader)) } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func setDelivered(_ position: Position, _ reader: inout Reader) throws(FileError) {
        let path = "\(folder)/position"
        if reader.positionFile < 0 {
            do throws(FileError) { reader.positionFile = try state.openRegular(path, O_WRONLY) } catch {
                // There is none yet, or something else in its place.
                if error.mayPass { throw error }
                reader.positionFile = try state.create(path)
            }
        }
        let bytes = Self.bytes(position)
        guard pwrite(reader.positionFile, bytes, bytes.count, 0) == bytes.count else { throw FileError("write", path) }
        if position.segment > reader.delivered.segment, let all = try? state.open(folder) {
            for segment in reader.delivered.segment..<position.segment { try? all.removeFile("\(segment)") }
        }
        reader.delivered = position
    }

    /// Segment, offset and checksum.
    private static func bytes(_ position: Position) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 20)
        OutboxRecord.put(UInt32(truncatingIfNeeded: position.segment), in: &bytes, at: 0)
        OutboxRecord.put(UInt32(truncatingIfNeeded: position.segment >> 32), in: &bytes, at: 4)
        OutboxRecord.put(UInt32(truncatingIfNeeded: position.offset), in: &bytes, at: 8)
        OutboxRecord.put(UInt32(truncatingIfNeeded: position.offset >> 32), in: &bytes, at: 12)
        OutboxRecord.put(CRC32.of(bytes[0..<16]), in: &bytes, at: 16)
        return bytes
    }

    static func position(_ bytes: [UInt8]) -> Position? {
        guard bytes.count == 20, CRC32.of(bytes[0..<16]) == OutboxRecord.number(in: bytes, at: 16) else { return nil }
        func wide(_ index: Int) -> UInt64 {
            UInt64(OutboxRecord.number(in: bytes, at: index))
                | UInt64(OutboxRecord.number(in: bytes, at: index + 4)) << 32
        }
        return Position(segment: wide(0), offset: Int64(bitPattern: wide(8)))
    }

    func path(of segment: UInt64) -> String { "\(folder)/\(segment)" }
}
