import BSON
import Console

/// JSON Lines, each a task's hyper-parameters.
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
}

extension BSONDocument {
    /// These fields, and those of the other document in place of any of the same name.
    func merging(_ other: BSONDocument) -> BSONDocument {
        if isEmpty { return other }
        return BSONDocument(elements: [self, other].flatMap { $0.map { ($0.key, $0.value) } }).withoutRepeatedKeys
    }
}
