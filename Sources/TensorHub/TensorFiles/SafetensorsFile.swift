import BSON

/// Reads the header of a safetensors file: eight bytes of length, then JSON.
///
/// Reference: <https://github.com/huggingface/safetensors#format>
enum SafetensorsFile {
    /// Bytes: the format's own limit.
    static let longestHeader: UInt64 = 100_000_000

    /// Whether a file that begins so is one.
    static func begins(_ head: [UInt8], length: Int64) -> Bool {
        guard let header = head.littleEndian(at: 0, bytes: 8), head.count > 8 else { return false }
        return header >= 2 && header <= longestHeader && header <= UInt64(max(0, length - 8))
            && head[8] == UInt8(ascii: "{")
    }

    static func tensors(_ window: inout ByteWindow, file: String) async throws -> [Tensor] {
        let head = try await window.read(at: 0, upTo: 8)
        guard let size = head.littleEndian(at: 0, bytes: 8), size <= longestHeader, Int64(size) <= window.length - 8
        else {
            throw TensorFileFault("its header is longer than the file, or than 100 MB")
        }
        let text = try await window.read(at: 8, upTo: Int(size))
        let header: BSONDocument
        do {
            header = try BSONDocument(extendedJSON: text, options: ExtendedJSONOptions(plain: true))
        } catch {
            throw TensorFileFault("its header is no JSON object: \(error.message)")
        }
        let room = window.length - 8 - Int64(size)
        var tensors: [Tensor] = []
        for (name, value) in header where name != "__metadata__" {
            guard let entry = value.documentValue, let dtype = entry["dtype"]?.stringValue,
                let lengths = entry["shape"]?.arrayValue, let offsets = entry["data_offsets"]?.arrayValue
            else { throw TensorFileFault("tensor '\(name)' has no dtype, shape or data_offsets") }
            let shape = lengths.compactMap(\.intValue)
            let places = offsets.compactMap(\.intValue)
            guard shape.count == lengths.count, shape.allSatisfy({ $0 >= 0 }) else {
                throw TensorFileFault("the shape of tensor '\(name)' has something else than counts")
            }
            guard places.count == 2, offsets.count == 2, places[0] >= 0, places[0] <= places[1], places[1] <= room
            else {
                throw TensorFileFault("tensor '\(name)' does not lie within the file")
            }
            tensors.append(Tensor(file: file, name: name, shape: shape, dtype: names[dtype] ?? dtype))
        }
        return tensors
    }

    private static let names = [
        "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "I8": "int8", "I16": "int16",
        "I32": "int32", "I64": "int64", "F16": "float16", "F32": "float32", "F64": "float64", "BF16": "bfloat16",
        "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2", "C64": "complex64",
    ]
}
