/// An array of NumPy, of one of the two types that the tutorial has.
package struct NumPyArray {
    package enum Values {
        case floats([Float])
        case integers([Int64])
    }

    package var shape: [Int]
    package var values: Values

    package var floats: [Float]? { if case .floats(let values) = values { values } else { nil } }
    package var integers: [Int64]? { if case .integers(let values) = values { values } else { nil } }

    package init(shape: [Int], values: Values) {
        self.shape = shape
        self.values = values
    }

    /// Reads a `.npy` file.
    package init(_ bytes: ArraySlice<UInt8>) throws {
        guard bytes.starts(with: [0x93] + Array("NUMPY".utf8)), bytes.count > 10 else {
            throw TutorialError("this is no .npy file")
        }
        let isLong = bytes[bytes.startIndex + 6] > 1
        let start = bytes.startIndex + (isLong ? 12 : 10)
        let length = bytes.integer(at: 8, count: isLong ? 4 : 2)
        guard bytes.count >= start - bytes.startIndex + length else { throw TutorialError("the .npy file is cut off") }
        let header = String(decoding: bytes[start..<(start + length)], as: UTF8.self)
        let data = bytes[(start + length)...]
        guard header.contains("'fortran_order': False"), let open = header.firstIndex(of: "("),
            let close = header[open...].firstIndex(of: ")")
        else { throw TutorialError("the .npy file has the header \(header)") }
        shape = header[open..<close].dropFirst().split { ", ".contains($0) }.compactMap { Int($0) }
        let count = shape.reduce(1, *)
        if header.contains("'<f4'"), data.count == 4 * count {
            values = .floats(
                (0..<count).map { Float(bitPattern: UInt32(truncatingIfNeeded: data.integer(at: 4 * $0, count: 4))) }
            )
        } else if header.contains("'<i8'"), data.count == 8 * count {
            values = .integers((0..<count).map { Int64(data.integer(at: 8 * $0, count: 8)) })
        } else {
            throw TutorialError("the .npy file has the header \(header) and \(data.count) bytes")
        }
    }

    /// A `.npy` file.
    package var bytes: [UInt8] {
        let type: String
        var data: [UInt8] = []
        switch values {
        case .floats(let values):
            type = "<f4"
            for value in values { data.append(integer: value.bitPattern) }
        case .integers(let values):
            type = "<i8"
            for value in values { data.append(integer: value) }
        }
        let shape = shape.count == 1 ? "(\(shape[0]),)" : "(\(shape.map(String.init).joined(separator: ", ")))"
        var header = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }"
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        bytes.append(integer: UInt16(header.utf8.count))
        return bytes + header.utf8 + data
    }
}

/// Arrays in a `.npz` file: a ZIP archive of `.npy` files, stored as they are.
package struct NumPyArchive {
    package var arrays: [NumPyArray]

    package init(_ arrays: [NumPyArray]) {
        self.arrays = arrays
    }

    /// Reads an archive.
    package init(_ bytes: [UInt8]) throws {
        let all = bytes[...]
        // The directory is found by its end, which is the last thing in the file.
        guard bytes.count >= 22, all.integer(at: bytes.count - 22, count: 4) == 0x0605_4b50 else {
            throw TutorialError("this is no .npz file")
        }
        let count = all.integer(at: bytes.count - 12, count: 2)
        var position = all.integer(at: bytes.count - 6, count: 4)
        arrays = []
        for _ in 0..<count {
            guard position + 46 <= bytes.count, all.integer(at: position, count: 4) == 0x0201_4b50,
                all.integer(at: position + 10, count: 2) == 0
            else { throw TutorialError("the .npz file is compressed, or its directory is broken") }
            let size = all.integer(at: position + 24, count: 4)
            let local = all.integer(at: position + 42, count: 4)
            guard local + 30 <= bytes.count else { throw TutorialError("the .npz file is cut off") }
            let start = local + 30 + all.integer(at: local + 26, count: 2) + all.integer(at: local + 28, count: 2)
            guard start + size <= bytes.count else { throw TutorialError("the .npz file is cut off") }
            arrays.append(try NumPyArray(bytes[start..<(start + size)]))
            position +=
                46 + (28...32).filter { $0 % 2 == 0 }.reduce(0) { $0 + all.integer(at: position + $1, count: 2) }
        }
    }

    /// An archive, its members named as `numpy.savez` names them.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        for (index, array) in arrays.enumerated() {
            let name = Array("arr_\(index).npy".utf8)
            let data = array.bytes
            // Version, flags, method, time, date; checksum; sizes; length of the name, and no extra field.
            var facts: [UInt8] = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]
            facts.append(integer: CRC32.of(data))
            facts.append(integer: UInt32(data.count))
            facts.append(integer: UInt32(data.count))
            facts.append(integer: UInt16(name.count))
            facts += [0, 0]
            directory += [0x50, 0x4b, 1, 2, 20, 0] + facts + [UInt8](repeating: 0, count: 10)
            directory.append(integer: UInt32(bytes.count))
            directory += name
            bytes += [0x50, 0x4b, 3, 4] + facts + name + data
        }
        let start = bytes.count
        bytes += directory + [0x50, 0x4b, 5, 6, 0, 0, 0, 0]
        bytes.append(integer: UInt16(arrays.count))
        bytes.append(integer: UInt16(arrays.count))
        bytes.append(integer: UInt32(directory.count))
        bytes.append(integer: UInt32(start))
        return bytes + [0, 0]
    }
}

enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
    }

    static func of(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ ($0 >> 8) }
    }
}

extension ArraySlice<UInt8> {
    /// The little-endian integer at an offset from the start.
    func integer(at offset: Int, count: Int) -> Int {
        var value: UInt64 = 0
        for index in (0..<count).reversed() { value = value << 8 | UInt64(self[startIndex + offset + index]) }
        return Int(truncatingIfNeeded: value)
    }
}

extension [UInt8] {
    mutating func append(integer: some FixedWidthInteger) {
        var value = integer
        for _ in 0..<(integer.bitWidth / 8) {
            append(UInt8(truncatingIfNeeded: value))
            value >>= 8
        }
    }
}
