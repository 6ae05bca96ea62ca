import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

@Suite struct TensorIndexTests {
    /// Indexes a file that is given whole.
    private func index(_ name: String, _ bytes: [UInt8]) async throws -> TensorIndex {
        var index = TensorIndex()
        let window = ByteWindow(length: Int64(bytes.count)) { Array(bytes[Int($0.lowerBound)..<Int($0.upperBound)]) }
        try await index.add(name, window)
        return index
    }

    private func safetensors(_ header: String, data: Int) -> [UInt8] {
        let text = Array(header.utf8)
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) } + text
            + [UInt8](repeating: 0, count: data)
    }

    @Test func `A safetensors file tells names, shapes and types in the order of its header`() async throws {
        let header = """
            {"__metadata__": {"format": "pt"}, "b": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
             "a.weight": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]}}
            """
        let found = try await index("m", safetensors(header, data: 26))
        #expect(
            found.tensors == [
                Tensor(file: "m", name: "b", shape: [2, 3], dtype: "float32"),
                Tensor(file: "m", name: "a.weight", shape: [], dtype: "bfloat16"),
            ]
        )
        #expect(found.tensors.map(\.count) == [6, 1] && found.faults.isEmpty && found.others.isEmpty)
    }

    @Test(arguments: [
        #"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 5]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1e300], "data_offsets": [0, 4]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 99999999999999999999]}}"#,
        #"{"a": {"dtype": 7, "shape": [1], "data_offsets": [0, 4]}}"#, #"{"a": 1}"#, #"{"a": "#,
    ])
    func `A safetensors file with a header that cannot be is a fault, not a crash`(_ header: String) async throws {
        let found = try await index("m", safetensors(header, data: 4))
        #expect(found.tensors.isEmpty && found.faults.map(\.file) == ["m"])
    }

    @Test func `Counts beyond what a machine counts are told as unknown`() {
        let tensor = Tensor(file: "m", name: "a", shape: [Int.max, 2], dtype: "float32")
        #expect(tensor.count == nil)
    }

    @Test func `NumPy's own files of every kind are read as NumPy reads them`() async throws {
        try await withTemporaryDirectory { folder in
            _ = try await runPython(
                """
                import sys, numpy as np, os, zipfile
                os.chdir(sys.argv[1])
                np.save("f4.npy", np.zeros((2, 3), np.float32))
                np.save("scalar.npy", np.float64(1))
                np.save("fortran.npy", np.asfortranarray(np.zeros((4, 5), np.int16)))
                np.save("big.npy", np.zeros(3, ">f8"))
                np.save("text.npy", np.array(["ab", "cde"]))
                np.save("object.npy", np.array([{}, None], object), allow_pickle=True)
                np.save("records.npy", np.zeros(2, [("x", "<f4"), ("y", "u1", (2,))]))
                np.save("bool.npy", np.zeros((1, 0), bool))
                np.save("long.npy", np.zeros(1, [("f%d" % i, "<f4") for i in range(5000)]))
                np.savez("plain.npz", w=np.zeros((7, 8), np.uint8), b=np.zeros(9, np.complex64))
                np.savez_compressed("packed.npz", **{"layer/0": np.zeros((70, 80)), "big": np.random.rand(300, 300)})
                with zipfile.ZipFile("wide.npz", "w", allowZip64=True) as z:
                    with z.open("w.npy", "w", force_zip64=True) as f:
                        np.save(f, np.zeros((2, 2), np.float16))
                    z.writestr("README", "not an array")
                with zipfile.ZipFile("other.zip", "w") as z:
                    z.writestr("data.pkl", "x")
                """,
                [folder]
            )
            func found(_ name: String) async throws -> [String] {
                let index = try await index(name, try readFile("\(folder)/\(name)"))
                #expect(index.faults.isEmpty, "\(index.faults)")
                return index.tensors.map { "\($0.name) \($0.dtype) \($0.shape)" }
            }
            #expect(try await found("f4.npy") == ["f4 float32 [2, 3]"])
            #expect(try await found("scalar.npy") == ["scalar float64 []"])
            #expect(try await found("fortran.npy") == ["fortran int16 [4, 5]"])
            #expect(try await found("big.npy") == ["big >f8 [3]"])
            #expect(try await found("text.npy") == ["text <U3 [2]"])
            #expect(try await found("object.npy") == ["object object [2]"])
            #expect(try await found("records.npy") == ["records (('x', '<f4'), ('y', '|u1', (2))) [2]"])
            #expect(try await found("bool.npy") == ["bool bool [1, 0]"])
            #expect(try await found("long.npy").count == 1)
            #expect(try await found("plain.npz") == ["w uint8 [7, 8]", "b complex64 [9]"])
            #expect(try await found("packed.npz") == ["layer/0 float64 [70, 80]", "big float64 [300, 300]"])
            #expect(try await found("wide.npz") == ["w float16 [2, 2]"])
            let other = try await index("other.zip", try readFile("\(folder)/other.zip"))
            #expect(other.others == ["other.zip"] && other.tensors.isEmpty && other.faults.isEmpty)

            // What somebody hostile makes of them: bytes changed, cut off, and counts as large as they can be.
            var generator = SplitMix(state: 4)
            for name in ["f4.npy", "records.npy", "plain.npz", "packed.npz", "wide.npz"] {
                let good = try readFile("\(folder)/\(name)")
                for round in 0..<400 {
                    var bytes = good
                    if round % 4 == 0 { bytes.removeLast(Int(generator.next() % UInt64(bytes.count))) }
                    for _ in 0..<(1 + Int(generator.next() % 6)) where !bytes.isEmpty {
                        // The directory of an archive lies at its end.
                        let near = round % 2 == 0 ? bytes.count : min(bytes.count, 200)
                        let place = bytes.count - 1 - Int(generator.next() % UInt64(near))
                        bytes[place] = round % 3 == 0 ? 0xFF : UInt8(truncatingIfNeeded: generator.next())
                    }
                    _ = try await index(name, bytes)
                }
            }
            for round in 0..<400 {
                var bytes = safetensors(#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#, data: 4)
                for _ in 0..<(1 + round % 4) {
                    bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: generator.next())
                }
                _ = try await index("m", bytes)
            }
        }
    }

    @Test func `Headers that are too long, too deep or no literal are faults`() async throws {
        func npy(_ header: String, claimed: Int? = nil, version: UInt8 = 2) -> [UInt8] {
            let text = Array(header.utf8)
            let size = claimed ?? text.count
            return NumPyFile.magic + [version, 0] + (0..<4).map { UInt8(truncatingIfNeeded: size >> ($0 * 8)) } + text
        }
        let deep = String(repeating: "(", count: 100_000)
        for bytes in [
            npy("{'descr': \(deep)"), npy("{}"), npy("[1, 2]"), npy("{'descr': '<f4', 'shape': (1, -2)}"),
            npy("{'descr': '<f4', 'shape': 3}"), npy("x", claimed: Int(UInt32.max)),
            npy("{'descr': '<f4", claimed: 500),
            npy("{}", version: 9), Array(NumPyFile.magic),
        ] {
            let found = try await index("a.npy", bytes)
            #expect(found.tensors.isEmpty && found.faults.count == 1, "\(found)")
        }
        #expect(try await index("a", []).others == ["a"])
    }

    @Test func `The headers of a stored model are read without its parameters`() async throws {
        try await withTestHub { hub in
            let rows = 4_000_000
            let header = #"{"w": {"dtype": "U8", "shape": [\#(rows)], "data_offsets": [0, \#(rows)]}}"#
            let model = try await hub.saveModel(
                Content(
                    kind: .folder,
                    files: [
                        SourceFile(path: "a.safetensors", source: .bytes(safetensors(header, data: rows))),
                        SourceFile(path: "README.md", source: .bytes(Array("# A model".utf8))),
                    ]
                ),
                name: "mlp"
            )
            // Without all chunks but the first nothing else could be read.
            let chunks = hub.database.collection("modelfs.chunks")
            #expect(try await chunks.deleteMany(["n": ["$gt": 0]]) == 15)
            let index = try await hub.tensors(of: model)
            #expect(index.tensors == [Tensor(file: "a.safetensors", name: "w", shape: [rows], dtype: "uint8")])
            #expect(index.others == ["README.md"])
        }
    }

    @Test func `Two models are compared by architecture, tags, tensors and hashes`() async throws {
        try await withTestHub { hub in
            func save(_ header: String, _ architecture: BSONDocument, _ tags: BSONDocument) async throws -> ModelRecord
            {
                let files = [
                    SourceFile(path: "m.safetensors", source: .bytes(safetensors(header, data: 8))),
                    SourceFile(path: "same", source: .bytes([1])),
                ]
                let content = Content(kind: .folder, files: files)
                return try await hub.saveModel(content, name: "mlp", architecture: architecture, tags: tags)
            }
            let a = #""a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}"#
            let first = try await save(
                #"{\#(a), "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}"#,
                ["layers": [["units": 10], ["units": 3]], "kind": "mlp"],
                ["acc": 0.9]
            )
            let second = try await save(
                #"{\#(a), "b": {"dtype": "F16", "shape": [2], "data_offsets": [4, 8]}, "c": {"dtype": "U8", "shape": [0], "data_offsets": [8, 8]}}"#,
                ["layers": [["units": 20], ["units": 3]], "kind": "mlp", "drop": 0.5],
                ["acc": 0.9, "note": "wider"]
            )
            let diff = try await hub.diff(first, second)
            #expect(diff.architecture.map(\.name) == ["layers.0.units", "drop"])
            #expect(diff.architecture[0].before == 10 && diff.architecture[0].after == 20)
            #expect(diff.tags.map(\.name) == ["note"] && diff.tags[0].before == nil)
            #expect(diff.tensors.map(\.name) == ["b", "c"] && diff.tensors[0].after?.dtype == "float16")
            #expect(diff.files.map(\.name) == ["m.safetensors"])
            #expect(diff.sameTensors == 1 && diff.sameFiles == 1 && !diff.isEmpty)
            #expect(try await hub.diff(first, first).isEmpty)
        }
    }
}

/// The same numbers in every run.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
