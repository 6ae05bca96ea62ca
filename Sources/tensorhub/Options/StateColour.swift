import BSON
import Console

/// The colours of the states of tasks and runners.
enum StateColour {
    /// - Parameter text: The state, perhaps with more behind it: `running (cancelling)`.
    static func of(_ text: String) -> Colour? {
        switch text.bytes.cut(atFirst: " ")?.before.bytes ?? text.bytes {
        case "finished": .green
        case "failed", "lost": .red
        case "cancelled", "paused", "draining", "drained", "stopping": .yellow
        case "running": .cyan
        default: nil
        }
    }

    static func column(_ title: String) -> Table.Column { Table.Column(title, colour: { of($0) }) }

    /// The state in its colour.
    static func shown(_ text: String) -> String { of(text)?.on(text) ?? text }
}
