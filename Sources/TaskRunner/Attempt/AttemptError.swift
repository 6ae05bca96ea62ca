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
    /// errno of the system call that failed.
    package var systemError: Int32?

    package init(_ code: Code, _ message: String, systemError: Int32? = nil) {
        self.code = code
        self.message = message
        self.systemError = systemError
    }

    package var description: String { message }
}
