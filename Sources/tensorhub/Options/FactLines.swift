import Console

/// Names and values in two columns.
enum FactLines {
    static func text(_ pairs: [(String, String)], indent: String = "") -> String {
        let pairs = pairs.map { (TerminalText.oneLine($0), TerminalText.oneLine($1)) }
        let width = pairs.map { TerminalText.width($0.0) }.max() ?? 0
        return pairs.map { name, value in
            indent + name + String(repeating: " ", count: width - TerminalText.width(name) + 2) + value + "\n"
        }.joined()
    }
}
