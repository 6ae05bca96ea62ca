/// A file that was submitted with the script and lies beside it.
package struct AttemptFile: Sendable, Hashable {
    /// Relative to the working directory, with `/` between folders.
    package var path: String
    /// Permission bits; set-user-id and the like are dropped.
    package var mode: Int32
    package var data: [UInt8]

    package init(path: String, mode: Int32 = 0o644, data: [UInt8]) {
        self.path = path
        self.mode = mode
        self.data = data
    }
}
