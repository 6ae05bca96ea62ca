import BSON
import Console
import TensorHub

/// Writes chunks of a script's output to standard output.
struct OutputPrinter {
    enum Form {
        /// Byte for byte.
        case raw
        /// Line by line, overwritten states left out.
        case lines
        /// A JSON object for each line.
        case json
    }

    /// Bytes of an unfinished line: far more than a terminal is wide.
    private static let longestShown = 16 * 1024

    private let form: Form
    private let isTerminal: Bool
    /// Whether an unfinished line is shown as it stands.
    private let showsUnfinished: Bool
    private var lines = OutputLines()
    private var position: (attempt: Int, end: Int64)?
    /// What of the unfinished line stands on the terminal.
    private var shown: String?

    init(_ form: Form, isLive: Bool) {
        self.form = form
        isTerminal = StandardOutput.isTerminal
        showsUnfinished = isLive && form == .lines && isTerminal
    }

    var isUnused: Bool { position == nil }

    mutating func print(_ chunk: OutputChunk) {
        if let position, position.attempt != chunk.attempt {
            finish()
            StandardError.line("-- attempt \(chunk.attempt) --")
        }
        let expected = position.flatMap { $0.attempt == chunk.attempt ? $0.end : nil } ?? 0
        if chunk.offset > expected {
            finish()
            StandardError.line("-- \(chunk.offset - expected) bytes left out by the output limit --")
        }
        position = (chunk.attempt, chunk.offset + Int64(chunk.data.count))
        if form == .raw {
            StandardOutput.write(chunk.data)
            return
        }
        var text: [UInt8] = []
        add(chunk.data, attempt: chunk.attempt, to: &text)
        StandardOutput.write(text)
    }

    /// On a terminal: the line that the script has not ended yet, cut to the width so that it can be overwritten.
    mutating func showUnfinished() {
        guard showsUnfinished else { return }
        let line = TerminalText.scriptLine(lines.unfinished.prefix(Self.longestShown), keepsColours: false)
        let state = TerminalText.truncated(line, to: max(1, (StandardOutput.width ?? 80) - 1))
        guard state != (shown ?? "") else { return }
        StandardOutput.write("\r\u{1B}[K" + state)
        shown = state
        Interrupt.isLineOpen = !state.isEmpty
    }

    /// The output is at its end: what has no line end gets one.
    mutating func finish() {
        guard form != .raw, let position else { return }
        var text: [UInt8] = []
        var rest = lines
        rest.finish { append($0, goesOn: $1, attempt: position.attempt, to: &text) }
        lines = OutputLines()
        leaveUnfinished(&text)
        StandardOutput.write(text)
    }

    private mutating func add(_ bytes: [UInt8], attempt: Int, to text: inout [UInt8]) {
        var reader = lines
        reader.add(bytes) { append($0, goesOn: $1, attempt: attempt, to: &text) }
        lines = reader
        leaveUnfinished(&text)
    }

    private mutating func leaveUnfinished(_ text: inout [UInt8]) {
        guard shown != nil, !text.isEmpty else { return }
        text = Array("\r\u{1B}[K".utf8) + text
        shown = nil
        Interrupt.isLineOpen = false
    }

    /// - Parameter goesOn: Whether it is a piece of a line that is longer than anything that is held.
    private func append(_ line: [UInt8], goesOn: Bool, attempt: Int, to text: inout [UInt8]) {
        switch form {
        case .json:
            var document: BSONDocument = [
                "attempt": .init(smallest: attempt), "text": .string(String(decoding: line, as: UTF8.self)),
            ]
            // The text has U+FFFD for what is no UTF-8.
            if String(validating: line, as: UTF8.self) == nil {
                document["bytes"] = .binary(BSONBinary(bytes: line))
            }
            if goesOn { document["continues"] = true }
            text += document.extendedJSON().utf8
        case .lines where isTerminal: text += TerminalText.scriptLine(line).utf8
        case .lines, .raw: text += line
        }
        if form == .json || !goesOn { text.append(UInt8(ascii: "\n")) }
    }
}
