import Files

/// Why an attempt could not be started.
package struct AttemptError: Error, Sendable, CustomStringConvertible {
    package struct Code: Sendable, Hashable {
        let name: String
        /// The task's own fault, on every runner or on this one: no such interpreter, a file that leads out of the
        /// folder.
        package static let cannotStart = Code(name: "cannot-start")
        /// This machine's fault: disk full, no more processes. The task deserves another try.
        package static let machine = Code(name: "machine")
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// Whether this machine is at fault, and not the task: also by what a file call says.
    static func isOfMachine(_ error: any Error) -> Bool {
        error is FileError || (error as? AttemptError)?.code == .machine
    }
}
