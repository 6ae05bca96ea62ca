import ArgumentParser
import BSON
import TensorHub

/// A word in the place of a verb that is none, and what may have been meant by it.
///
/// The parser itself would call it an unexpected argument, and would show the help of the command above it where help
/// was asked for.
struct UnknownVerb {
    /// The command that has no such verb, below the program: `["runner"]`.
    private let command: [String]
    private let program: String
    private let word: String
    private let meant: [String]

    /// - Parameter others: What other programs call a verb of the command.
    /// - Returns: `nil` where every word that has to be a verb is one.
    init?(
        _ root: any ParsableCommand.Type,
        _ arguments: [String],
        _ others: (_ word: String, _ command: [String]) -> [String]
    ) {
        var words = arguments.prefix { !$0.bytes.hasPrefix("-") }
        // `help runner ls` is about a verb too.
        if words.first?.bytes == "help", !root.configuration.subcommands.isEmpty { words.removeFirst() }
        var configuration = root.configuration
        var path: [String] = []
        for word in words {
            if configuration.subcommands.isEmpty || configuration.defaultSubcommand != nil { return nil }
            if let next = configuration.subcommands.first(where: { Self.names($0).hasBytes(of: word) }) {
                configuration = next.configuration
                path.append(word)
                continue
            }
            // `help help` is of the parser's own.
            if path.isEmpty, word.bytes == "help" { return nil }
            command = path
            program = root._commandName
            self.word = word
            let known = others(word, path)
            meant = known.isEmpty ? NearNames.of(word, among: configuration.subcommands.flatMap(Self.names)) : known
            return
        }
        return nil
    }

    private static func names(_ command: any ParsableCommand.Type) -> [String] {
        [command._commandName] + command.configuration.aliases
    }

    var failure: CommandFailure {
        let words = ([program] + command).joined(separator: " ")
        if word.bytes == "help" { return .badInput("write `\(([program, "help"] + command).joined(separator: " "))`") }
        let quoted = meant.map { "'\($0)'" }.joined(separator: " or ")
        return .badInput(
            (command.isEmpty ? "there is no verb" : "`\(words)` has no verb") + " '\(TerminalText.oneLine(word))'; "
                + (meant.isEmpty ? "" : "did you mean \(quoted)? ") + "`\(words) --help` lists the verbs"
        )
    }
}
