import Files

/// Why an attempt could not be started.
package struct AttemptError: Error, Sendable, CustomStringConvertible {
    package struct Code: Sendable, Hashable {
        let name: String
        /// The task's own fault: a file that leads out of the folder. With a ``AttemptError/lack``, of this machine
        /// only: no such interpreter.
        package static let cannotStart = Code(name: "cannot-start")
        /// This machine's fault: disk full, no more processes. The task deserves another try.
        package static let machine = Code(name: "machine")
    }

    package var code: Code
    package var message: String
    /// What this machine does not have of what the task needs, as ``HostLack/what`` has it; `nil` where it is no
    /// matter of the machine.
    package var lack: String?

    package init(_ code: Code, _ message: String, lack: String? = nil) {
        self.code = code
        self.message = message
        self.lack = lack
    }

    /// This machine cannot start what another one may.
    static func missing(_ lack: String, _ message: String) -> AttemptError {
        AttemptError(.cannotStart, message, lack: lack)
    }

    package var description: String { message }

    /// Whether this machine is at fault, and not the task: also by what a file call says.
    static func isOfMachine(_ error: any Error) -> Bool {
        error is FileError || (error as? AttemptError)?.code == .machine
    }
}
