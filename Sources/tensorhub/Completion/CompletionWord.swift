import ArgumentParser
import BSON
import Console

/// A word that a shell may put into the command line, and what it shows beside it where it shows that.
struct CompletionWord {
    private let word: String
    private let note: String

    init(_ word: String, note: String = "") {
        self.word = word
        self.note = note
    }

    /// The line that the completion script of this shell reads.
    ///
    /// - Returns: `nil` for a name that is no word of a command line: with line ends or other control characters, or
    ///   one that would be an option.
    func text(for shell: CompletionShell?) -> String? {
        guard !word.isEmpty, TerminalText.oneLine(word).bytes == word.bytes, !word.bytes.hasPrefix("-") else {
            return nil
        }
        let note = TerminalText.oneLine(note)
        if shell == .bash {
            // `compgen -W` expands each word as the shell does, and would run what stands in $(...): a name is
            // whatever somebody has stored.
            return "'" + Self.replacing("'", with: "'\\''", in: word) + "'"
        }
        if shell == .zsh {
            let escaped = Self.replacing(":", with: "\\:", in: Self.replacing("\\", with: "\\\\", in: word))
            return note.isEmpty ? escaped : "\(escaped):\(note)"
        }
        if shell == .fish { return note.isEmpty ? word : "\(word)\t\(note)" }
        return word
    }

    private static func replacing(_ mark: Unicode.Scalar, with other: String, in text: String) -> String {
        text.bytes.split(separator: mark, omittingEmptySubsequences: false).map(\.text).joined(separator: other)
    }
}
