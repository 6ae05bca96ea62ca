/// Writes PNG (<https://www.w3.org/TR/png/>), with a deflate that knows runs alone (RFC 1951): a plot is mostly one colour.
enum PNGFile {
    private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// - Parameter pixels: Red, green and blue, row by row.
    static func bytes(width: Int, height: Int, pixels: [UInt8]) -> [UInt8] {
        let stride = width * 3
        var rows: [UInt8] = []
        rows.reserveCapacity((stride + 1) * height)
        for row in 0..<height {
            // Filter 2: the difference to the row above, zero nearly everywhere.
            rows.append(2)
            let start = row * stride
            for place in start..<start + stride {
                rows.append(row == 0 ? pixels[place] : pixels[place] &- pixels[place - stride])
            }
        }
        var file = signature
        append("IHDR", bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, 2, 0, 0, 0], to: &file)
        append("IDAT", Zlib.compressed(rows), to: &file)
        append("IEND", [], to: &file)
        return file
    }

    private static func append(_ type: String, _ data: [UInt8], to file: inout [UInt8]) {
        file += bigEndian(UInt32(data.count))
        let body = Array(type.utf8) + data
        file += body
        file += bigEndian(crc(body))
    }

    static func bigEndian(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { table[Int(($0 ^ UInt32($1)) & 255)] ^ $0 >> 8 }
    }
}

/// A zlib stream (RFC 1950) of one block with the fixed codes; repetitions of one byte become runs.
enum Zlib {
    static func compressed(_ bytes: [UInt8]) -> [UInt8] {
        var writer = BitWriter()
        writer.bytes = [0x78, 0x01]
        // The last block, fixed codes.
        writer.append(0b011, count: 3)
        var place = 0
        while place < bytes.count {
            writer.appendLiteral(bytes[place])
            var run = 0
            while run < 258, place + 1 + run < bytes.count, bytes[place + 1 + run] == bytes[place] { run += 1 }
            if run >= 3 {
                writer.appendRun(run)
                place += run
            }
            place += 1
        }
        writer.append(0, count: 7)  // the end of the block
        writer.flush()
        return writer.bytes + PNGFile.bigEndian(adler(bytes))
    }

    private static func adler(_ bytes: [UInt8]) -> UInt32 {
        var (low, high): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        return high << 16 | low
    }
}

private struct BitWriter {
    var bytes: [UInt8] = []
    private var pending: UInt32 = 0
    private var count = 0

    /// The lowest bit first.
    mutating func append(_ value: UInt32, count: Int) {
        pending |= value << UInt32(self.count)
        self.count += count
        while self.count >= 8 {
            bytes.append(UInt8(pending & 255))
            pending >>= 8
            self.count -= 8
        }
    }

    /// Codes come with their highest bit first.
    private mutating func append(code: UInt32, count: Int) {
        var reversed: UInt32 = 0
        for bit in 0..<count where code >> UInt32(bit) & 1 == 1 { reversed |= 1 << UInt32(count - 1 - bit) }
        append(reversed, count: count)
    }

    mutating func appendLiteral(_ byte: UInt8) {
        if byte < 144 {
            append(code: 0x30 + UInt32(byte), count: 8)
        } else {
            append(code: 0x190 + UInt32(byte - 144), count: 9)
        }
    }

    /// The byte before, 3 to 258 times more.
    mutating func appendRun(_ length: Int) {
        let index = Self.bases.lastIndex { $0.length <= length } ?? 0
        let symbol = UInt32(257 + index)
        if symbol < 280 { append(code: symbol - 256, count: 7) } else { append(code: 0xC0 + symbol - 280, count: 8) }
        append(UInt32(length - Self.bases[index].length), count: Self.bases[index].bits)
        append(code: 0, count: 5)  // one byte back
    }

    mutating func flush() { if count > 0 { append(0, count: 8 - count) } }

    /// RFC 1951, 3.2.5: the least length of each symbol from 257 on, and how many bits follow.
    private static let bases: [(length: Int, bits: Int)] = {
        var bases: [(Int, Int)] = (3...10).map { ($0, 0) }
        var length = 11
        for bits in 1...5 {
            for _ in 0..<4 {
                bases.append((length, bits))
                length += 1 << bits
            }
        }
        bases[bases.count - 1] = (227, 5)
        return bases + [(258, 0)]
    }()
}
