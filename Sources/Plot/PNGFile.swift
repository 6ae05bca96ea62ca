import CLibZ

/// Writes PNG (<https://www.w3.org/TR/png/>).
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
        append("IDAT", compressed(rows), to: &file)
        append("IEND", [], to: &file)
        return file
    }

    private static func append(_ type: String, _ data: [UInt8], to file: inout [UInt8]) {
        file += bigEndian(UInt32(data.count))
        let body = Array(type.utf8) + data
        file += body
        file += bigEndian(crc(body))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        UInt32(truncatingIfNeeded: crc32(0, bytes, uInt(bytes.count)))
    }

    private static func compressed(_ bytes: [UInt8]) -> [UInt8] {
        var size = compressBound(uLong(bytes.count))
        return [UInt8](unsafeUninitializedCapacity: Int(size)) { target, count in
            // It fails for lack of memory or room alone, and the room is enough.
            let status = compress2(target.baseAddress, &size, bytes, uLong(bytes.count), Z_BEST_SPEED)
            precondition(status == Z_OK, "zlib gave \(status)")
            count = Int(size)
        }
    }
}
