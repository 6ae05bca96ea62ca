import ArgumentParser
import Console
import TensorHub

/// Which log, as people name it.
enum LogKindName {
    static let help: ArgumentHelp = "training, validation or testing (or train, valid, test)."
    static let completion: CompletionKind = .list(LogKind.allCases.map(\.rawValue))

    static func parse(_ text: String) throws(CommandFailure) -> LogKind {
        switch text {
        case "training", "train": .training
        case "validation", "valid", "val": .validation
        case "testing", "test": .testing
        default: throw .badInput("'\(TerminalText.oneLine(text))' is no log; give training, validation or testing")
        }
    }
}
