import BSON
import Console

/// The id of a task as somebody typed it.
enum TaskID {
    static func parse(_ text: String) throws(CommandFailure) -> ObjectID {
        if let id = ObjectID(text) { return id }
        throw .badInput(
            "'\(TerminalText.oneLine(text))' is not the id of a task; an id has 24 hexadecimal digits, as `tensorhub ls` shows"
        )
    }
}
