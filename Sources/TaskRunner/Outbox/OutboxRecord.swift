import BSON
import CLibZ

/// One thing that a script has written and that MongoDB has yet to get.
///
/// On disk: the payload's length and a CRC-32 of kind and payload, both little-endian, the kind, the payload.
struct OutboxRecord: Sendable, Hashable {
    /// The numbers are in files: never to be changed.
    enum Kind: UInt8, Sendable {
        /// A whole document of a log.
        case trainingLog = 1
        case validationLog = 2
        case testingLog = 3
        /// What to call `saveDataSet` with; its files are in the attempt directory.
        case dataSet = 4
        case model = 5
        /// A copy of the checkpoint folder.
        case checkpoint = 6
    }

    var kind: Kind
    var payload: BSONDocument

    /// The number of a checkpoint's record; `nil` for other records, and for a number that is none of ours.
    var checkpointNumber: Int? {
        guard kind == .checkpoint, let number = payload["number"]?.intValue else { return nil }
        return Self.checkpointNumbers.contains(number) ? number : nil
    }

    static let checkpointNumbers = 1..<Int(Int32.max)

    /// Bytes in front of a payload.
    static let headerSize = 9
    /// Bytes: more than MongoDB takes as one document, so whatever says to be longer is no record.
    static let payloadLimit = 17 << 20

    func append(to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: 8))
        bytes.append(kind.rawValue)
        bytes.append(contentsOf: payload.bytes)
        let checksum = CRC32.of(bytes[(start + 8)...])
        Self.put(UInt32(payload.bytes.count), in: &bytes, at: start)
        Self.put(checksum, in: &bytes, at: start + 4)
    }

    /// What stands at a place of a file's bytes.
    enum Reading: Sendable {
        case record(OutboxRecord, end: Int)
        /// The record goes on behind the bytes: it ends so many bytes after its start.
        case cut(length: Int)
        case damaged
    }

    static func read(_ bytes: [UInt8], at start: Int) -> Reading {
        guard bytes.count - start >= headerSize else { return .cut(length: headerSize) }
        let length = Int(number(in: bytes, at: start))
        guard length >= 5, length <= payloadLimit, let kind = Kind(rawValue: bytes[start + 8]) else { return .damaged }
        let end = start + headerSize + length
        guard end <= bytes.count else { return .cut(length: headerSize + length) }
        guard CRC32.of(bytes[(start + 8)..<end]) == number(in: bytes, at: start + 4),
            let payload = try? BSONDocument(validatingStructureOf: Array(bytes[(start + headerSize)..<end]))
        else { return .damaged }
        return .record(OutboxRecord(kind: kind, payload: payload), end: end)
    }

    static func put(_ number: UInt32, in bytes: inout [UInt8], at index: Int) {
        for byte in 0..<4 { bytes[index + byte] = UInt8(truncatingIfNeeded: number >> (8 * UInt32(byte))) }
    }

    static func number(in bytes: [UInt8], at index: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << (8 * UInt32($1)) }
    }
}

/// The checksum of zip and Ethernet (ISO-HDLC): tells a record that was cut off from a whole one.
enum CRC32 {
    static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32(0, $0.baseAddress, uInt($0.count))) }
    }
}
