/// Reads the header of a `.npy` file: magic, version, length, then a dictionary as Python writes it.
///
/// Reference: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
enum NumPyFile {
    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// Bytes; NumPy's own limit for files that it does not trust is 10,000.
    static let longestHeader = 1 << 20
    /// Bytes that tell how long the header is.
    static let preamble = 12

    /// How many bytes, from the file's beginning, are needed to read it.
    static func headerEnd(_ head: [UInt8]) throws(TensorFileFault) -> Int {
        guard head.starts(with: magic), head.count >= 10 else {
            throw TensorFileFault("it does not begin like a .npy file")
        }
        let isLong = head[6] >= 2
        guard (1...3).contains(head[6]), let size = head.littleEndian(at: 8, bytes: isLong ? 4 : 2) else {
            throw TensorFileFault("it is of version \(head[6]).\(head[7]) of the .npy format, which is not known here")
        }
        guard size <= longestHeader else {
            throw TensorFileFault("its header has \(size) bytes; the limit is \(longestHeader)")
        }
        return (isLong ? 12 : 10) + Int(size)
    }

    /// - Parameter head: The file's beginning, at least up to `headerEnd`.
    static func tensor(_ head: [UInt8], file: String, name: String) throws(TensorFileFault) -> Tensor {
        let end = try headerEnd(head)
        guard head.count >= end else { throw TensorFileFault("it ends within its header") }
        let start = head[6] >= 2 ? 12 : 10
        guard case .dictionary(let fields)? = PythonLiteral.parse(head[start..<end]) else {
            throw TensorFileFault("its header is no dictionary of Python's")
        }
        func field(_ key: String) -> PythonLiteral? { fields.first { $0.key == .string(key) }?.value }
        guard case .sequence(let lengths)? = field("shape"), let descr = field("descr") else {
            throw TensorFileFault("its header has no shape or no descr")
        }
        var shape: [Int] = []
        for length in lengths {
            guard case .integer(let count) = length, count >= 0 else {
                throw TensorFileFault("its shape has something else than counts")
            }
            shape.append(count)
        }
        return Tensor(file: file, name: name, shape: shape, dtype: dtype(descr))
    }

    private static func dtype(_ descr: PythonLiteral) -> String {
        guard case .string(let text) = descr else { return descr.text }
        if text.hasPrefix("|O") || text == "O" { return "object" }
        let kinds: [Character: String] = ["f": "float", "i": "int", "u": "uint", "c": "complex"]
        let characters = Array(text)
        guard characters.count >= 3, let bytes = Int(String(characters[2...])), (1...32).contains(bytes) else {
            return text
        }
        if characters[1] == "b" && bytes == 1 { return "bool" }
        guard let kind = kinds[characters[1]], characters[0] != ">" || bytes == 1 else { return text }
        return "\(kind)\(bytes * 8)"
    }
}
