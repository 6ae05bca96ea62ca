import BSON
import Console

/// JSON Lines, or a table as CSV, each line a task's hyper-parameters.
enum ParameterLines {
    struct Line: Sendable {
        /// `line 3 of grid.jsonl`, for messages.
        var place: String
        var document: BSONDocument
    }

    /// Reads all lines of a file, or of standard input for `-`; empty lines are skipped.
    static func read(_ path: String) throws(CommandFailure) -> [Line] {
        let source = path == "-" ? "standard input" : path
        let bytes = path == "-" ? try StandardInput.read() : try InputFile(path, role: "--each").bytes
        if isTable(path, bytes) { return try ParameterTable.read(ByteOrderMark.dropped(from: bytes[...]), source) }
        var lines: [Line] = []
        let texts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in texts.enumerated() {
            let place = "line \(index + 1) of \(source)"
            do {
                guard let document = try JSONLine.document(line) else { continue }
                lines.append(Line(place: place, document: document))
            } catch {
                throw .badInput("\(place) \(Assignment.refusal(error)): \(error.message); nothing was created")
            }
        }
        if lines.isEmpty {
            throw .badInput("\(source) has no line; write one JSON object of hyper-parameters for each task")
        }
        return lines
    }

    /// JSON begins with a brace; a table with the name of a column.
    private static func isTable(_ path: String, _ bytes: [UInt8]) -> Bool {
        if path.bytes.hasSuffix(".csv") { return true }
        let first = ByteOrderMark.dropped(from: bytes[...]).first.map { $0 | 0x20 }
        return path == "-" && first.map { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) } ?? false
    }
}
