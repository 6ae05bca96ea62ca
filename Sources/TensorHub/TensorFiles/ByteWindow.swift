/// Parts of a stored file, fetched as they are needed, the latest kept: GridFS gives whole chunks anyway.
struct ByteWindow {
    typealias Fetch = @Sendable (Range<Int64>) async throws -> [UInt8]

    /// Bytes of the whole file.
    let length: Int64
    private let fetch: Fetch
    private var blocks: [(index: Int64, bytes: [UInt8])] = []

    /// Bytes: a chunk of GridFS.
    static let blockSize: Int64 = 255 * 1024
    private static let blocksKept = 4

    init(length: Int64, fetch: @escaping Fetch) {
        self.length = max(0, length)
        self.fetch = fetch
    }

    /// The bytes of a range; fewer where the file ends within it, none where it lies outside.
    mutating func read(at offset: Int64, upTo count: Int) async throws -> [UInt8] {
        guard offset >= 0, offset < length, count > 0 else { return [] }
        let end = offset + min(Int64(count), length - offset)
        let (first, last) = (offset / Self.blockSize, (end - 1) / Self.blockSize)
        if last - first >= Int64(Self.blocksKept) { return try await fetch(offset..<end) }
        var result: [UInt8] = []
        result.reserveCapacity(Int(end - offset))
        for index in first...last {
            let block = try await block(index)
            let start = index * Self.blockSize
            let low = Int(max(offset, start) - start)
            let high = min(Int(min(end, start + Self.blockSize) - start), block.count)
            // The file is shorter than its document says.
            guard low < high else { break }
            result += block[low..<high]
        }
        return result
    }

    private mutating func block(_ index: Int64) async throws -> [UInt8] {
        if let known = blocks.first(where: { $0.index == index }) { return known.bytes }
        let start = index * Self.blockSize
        let bytes = try await fetch(start..<min(start + Self.blockSize, length))
        if blocks.count >= Self.blocksKept { blocks.removeFirst() }
        blocks.append((index, bytes))
        return bytes
    }
}

/// Numbers in little-endian order; `nil` past the end.
extension Collection<UInt8> where Index == Int {
    func littleEndian(at offset: Int, bytes count: Int) -> UInt64? {
        guard offset >= 0, offset <= self.count - count else { return nil }
        var value: UInt64 = 0
        for index in (0..<count).reversed() { value = value << 8 | UInt64(self[startIndex + offset + index]) }
        return value
    }
}
