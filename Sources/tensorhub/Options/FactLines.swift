import BSON
import Console

/// Names and values in two columns.
enum FactLines {
    /// Those without a value are left out.
    ///
    /// - Parameter state: The name whose value is a state, which has a colour.
    static func text(_ pairs: [(String, String?)], indent: String = "", state: ByteString? = nil) -> String {
        let pairs = pairs.compactMap { name, value in
            value.map { (TerminalText.oneLine(name), TerminalText.oneLine($0)) }
        }
        let width = pairs.map { TerminalText.width($0.0) }.max() ?? 0
        return pairs.map { name, value in
            let shown = name.bytes == state ? StateColour.shown(value) : value
            return indent + name + String(repeating: " ", count: width - TerminalText.width(name) + 2) + shown + "\n"
        }.joined()
    }
}
