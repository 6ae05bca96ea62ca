import BSON
import Console
import TensorHub

/// Files, arrays and tensors of a data set or model, for a person.
enum ContentText {
    private static let filesShown = 20

    /// `model 'mlp' version 3`.
    static func title(_ noun: String, _ name: String?, _ version: Int?) -> String {
        TerminalText.oneLine("\(noun) '\(name ?? "")'" + (version.map { " version \($0)" } ?? " of TensorLayer's"))
    }

    static func section(_ title: String, _ document: BSONDocument) -> String {
        if document.isEmpty { return "" }
        return "\n\(title)\n" + FactLines.text(document.flattened.map { ($0.key, $0.value.tableText) }, indent: "  ")
    }

    static func files(_ files: [StoredFile]) -> String {
        if files.isEmpty { return "" }
        let shown = files.prefix(filesShown)
        let lines = FactLines.text(shown.map { ($0.path, ByteText.of($0.blob.length)) }, indent: "  ")
        let rest = files.count > shown.count ? "  and \(files.count - shown.count) more; --json lists all\n" : ""
        return "\nfiles\n\(lines)\(rest)"
    }

    static func tensors(_ index: TensorIndex, width: Int?) -> String {
        var text = ""
        if !index.tensors.isEmpty {
            var table = Table([
                .init("TENSOR", isElastic: true), .init("SHAPE"), .init("DTYPE"),
                .init("ELEMENTS", isRightAligned: true),
            ])
            table.rows = index.tensors.map {
                [$0.name, shape($0.shape), $0.dtype, $0.count.map(String.init) ?? ""]
            }
            text += "\n" + table.text(width: width)
        }
        for fault in index.faults {
            text += "\n\(TerminalText.oneLine("\(fault.file) cannot be read: \(fault.message)"))\n"
        }
        return text
    }

    static func shape(_ shape: [Int]) -> String {
        shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: " x ")
    }

    static func json(_ index: TensorIndex) -> [(String, BSONValue)] {
        let tensors = index.tensors.map { tensor -> BSONValue in
            [
                "file": .string(tensor.file), "name": .string(tensor.name),
                "shape": .array(tensor.shape.map(BSONValue.init(smallest:))), "dtype": .string(tensor.dtype),
            ]
        }
        let faults = index.faults.map { fault -> BSONValue in
            ["file": .string(fault.file), "message": .string(fault.message)]
        }
        return [("tensors", .array(tensors)), ("faults", .array(faults))]
    }
}
