import BSON

/// Chunk documents of a GridFS file, one behind the other in one piece of memory: the content is read or copied to
/// where it is sent from.
///
/// `@unchecked Sendable`: whoever fills it hands it to the one job that sends it, and gets it back after that.
package final class ChunkBatch: @unchecked Sendable {
    /// Bytes in front of the content: length, `_id`, `files_id`, `n`, and the head of `data`.
    private static let headSize = 4 + 17 + 22 + 7 + 11

    private let chunkSize: Int
    /// How many chunks fit.
    private let capacity: Int
    private let memory: UnsafeMutableRawBufferPointer
    /// Bytes of content that are in.
    package private(set) var length = 0

    init(chunkSize: Int, capacity: Int) {
        self.chunkSize = chunkSize
        self.capacity = capacity
        memory = .allocate(byteCount: capacity * (Self.headSize + chunkSize + 1), alignment: 16)
    }

    deinit { memory.deallocate() }

    /// Chunks that are in, the last one perhaps not full.
    var count: Int { (length + chunkSize - 1) / chunkSize }

    package var isFull: Bool { length == capacity * chunkSize }

    func reset() { length = 0 }

    /// Lets `read` put bytes into place until it says 0 or the batch is full.
    ///
    /// - Parameter read: Writes into the memory, and returns how many bytes.
    package func fill(_ read: (UnsafeMutableRawBufferPointer) throws -> Int) rethrows {
        while !isFull {
            let count = try read(free)
            if count == 0 { return }
            precondition(count > 0 && count <= free.count, "a reader stays within the memory that it is lent")
            length += count
        }
    }

    /// Copies bytes in, as many as there is room for.
    ///
    /// - Returns: How many.
    package func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        var rest = bytes[...]
        fill { free in
            let piece = rest.prefix(free.count)
            free.copyBytes(from: piece)
            rest = rest.dropFirst(piece.count)
            return piece.count
        }
        return bytes.count - rest.count
    }

    /// The content, chunk by chunk.
    package func forEachContent(_ body: (UnsafeRawBufferPointer) -> Void) {
        for index in 0..<count { body(UnsafeRawBufferPointer(content(index))) }
    }

    /// Writes what belongs around the content.
    func seal(file: ObjectID, firstNumber: Int) {
        for index in 0..<count {
            let start = index * (Self.headSize + chunkSize + 1)
            let size = content(index).count
            var head: [UInt8] = []
            head.reserveCapacity(Self.headSize)
            Self.append(Int32(Self.headSize + size + 1), to: &head)
            head += [0x07] + "_id\0".utf8 + ObjectID().bytes
            head += [0x07] + "files_id\0".utf8 + file.bytes
            head += [0x10] + "n\0".utf8
            Self.append(Int32(firstNumber + index), to: &head)
            head += [0x05] + "data\0".utf8
            Self.append(Int32(size), to: &head)
            head.append(0)
            UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + Self.headSize)]).copyBytes(from: head)
            memory[start + Self.headSize + size] = 0
        }
    }

    /// The documents, once sealed.
    func forEachDocument(
        _ body: (UnsafeRawBufferPointer) throws(MongoError) -> Void
    ) throws(MongoError) {
        for index in 0..<count {
            let start = index * (Self.headSize + chunkSize + 1)
            let size = Self.headSize + content(index).count + 1
            try body(UnsafeRawBufferPointer(rebasing: memory[start..<(start + size)]))
        }
    }

    /// Where the next bytes of content go.
    private var free: UnsafeMutableRawBufferPointer {
        let (index, offset) = length.quotientAndRemainder(dividingBy: chunkSize)
        let start = index * (Self.headSize + chunkSize + 1) + Self.headSize
        return UnsafeMutableRawBufferPointer(rebasing: memory[(start + offset)..<(start + chunkSize)])
    }

    private func content(_ index: Int) -> UnsafeMutableRawBufferPointer {
        let start = index * (Self.headSize + chunkSize + 1) + Self.headSize
        let size = min(chunkSize, length - index * chunkSize)
        return UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + size)])
    }

    private static func append(_ value: Int32, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }
}
