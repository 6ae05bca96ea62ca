import BSON
import Console

/// The id of a task as somebody typed it.
enum TaskID {
    static func parse(_ text: String) throws(CommandFailure) -> ObjectID {
        if let id = ObjectID(text) { return id }
        try checkGiven(text)
        throw .badInput(
            "'\(TerminalText.oneLine(text))' is not the id of a task; an id has 24 hexadecimal digits, as `tensorhub ls` shows"
        )
    }

    /// `"$id"` of a variable that is unset is an empty word, which must never mean every task.
    static func checkGiven(_ text: String) throws(CommandFailure) {
        if text.utf8.allSatisfy({ $0 == UInt8(ascii: " ") }) {
            throw .badInput("an id is empty: is a shell variable unset? give the id of a task, as `tensorhub ls` shows")
        }
    }
}
