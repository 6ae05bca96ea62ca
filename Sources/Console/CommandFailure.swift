import MongoDriver

/// Why a command ends early: a sentence for people and a status for programs.
package struct CommandFailure: Error, Sendable, CustomStringConvertible {
    package var status: Int32
    /// Without the program's name; empty when all was said already.
    package var message: String

    /// - Parameter message: Passwords of connection strings that it repeats are left out.
    package init(_ status: Int32, _ message: String) {
        self.status = status
        self.message = ConnectionText.redacted(message)
    }

    package static func failure(_ message: String) -> CommandFailure { CommandFailure(ExitStatus.failure, message) }

    package static func nothingMatched(_ message: String) -> CommandFailure {
        CommandFailure(ExitStatus.nothingMatched, message)
    }

    package static func badInput(_ message: String) -> CommandFailure {
        CommandFailure(ExitStatus.badInput, message)
    }

    package var description: String { message }
}
