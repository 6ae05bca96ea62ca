/// A file that travels with the task and lies in the script's working directory.
public struct TaskFile: Sendable, Hashable {
    /// Relative to the working directory, with `/` between the parts and no `..`.
    public var path: String
    /// Permission bits, such as 0o644.
    public var mode: Int32
    public var data: [UInt8]

    public init(path: String, mode: Int32 = 0o644, data: [UInt8]) {
        self.path = path
        self.mode = mode
        self.data = data
    }
}
