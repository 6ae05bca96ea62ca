import BSON

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

    public static func == (one: TaskFile, other: TaskFile) -> Bool {
        one.path.bytes == other.path.bytes && one.mode == other.mode && one.data == other.data
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(path.bytes) }

    /// - Throws: `HubError.invalidInput` where it cannot be used.
    init(stored: BSONValue) throws(HubError) {
        guard let file = stored.documentValue, let path = file["path"]?.stringValue,
            let data = file["data"]?.binaryValue
        else {
            throw .invalid("hub.files", "a file of hub.files has no path (string) or no data (binary)")
        }
        self.init(path: path, mode: file["mode"]?.intValue.flatMap(Int32.init(exactly:)) ?? 0o644, data: data.bytes)
    }

    /// As it stands in `hub.files`.
    var document: BSONDocument {
        ["path": .string(path), "mode": .int32(mode), "data": .binary(BSONBinary(bytes: data))]
    }
}
