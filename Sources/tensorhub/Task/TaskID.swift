import BSON
import Console
import TensorHub

/// What somebody typed to name a task.
enum TaskID {
    static func parse(_ text: String) throws -> TaskReference {
        try checkGiven(text)
        return try TaskReference(text)
    }

    /// `"$id"` of a variable that is unset is an empty word, which must never mean every task.
    private static func checkGiven(_ text: String) throws(CommandFailure) {
        if text.utf8.allSatisfy({ $0 == UInt8(ascii: " ") }) {
            throw .badInput("an id is empty: is a shell variable unset? give the id of a task, as `tensorhub ls` shows")
        }
    }
}

extension Hub {
    /// The one task that was typed.
    func task(typed reference: TaskReference) async throws(HubError) -> ObjectID {
        try await task(meant: reference, by: CurrentUser.name)
    }
}
