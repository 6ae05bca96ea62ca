/// Why the settings cannot be used: one fault, with the place that has to be changed.
public struct SettingsError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of the fault; more may come.
    public struct Code: Sendable, Hashable {
        let name: String
        /// The file is there, or was named, but cannot be read.
        public static let unreadableFile = Code(name: "unreadable file")
        /// The file is not the YAML that we read.
        public static let malformedFile = Code(name: "malformed file")
        /// A key that does not exist.
        public static let unknownKey = Code(name: "unknown key")
        /// A key that is given twice, or two keys that exclude each other.
        public static let duplicateKey = Code(name: "duplicate key")
        /// A value of the wrong type or out of range.
        public static let invalidValue = Code(name: "invalid value")
    }

    public var code: Code
    /// Where the fault is: a file with its line, an environment variable or a flag.
    public var place: String
    /// What is wrong there and how to put it right. Never holds a connection URI.
    public var message: String

    public init(_ code: Code, at place: String, _ message: String) {
        self.code = code
        self.place = place
        self.message = message
    }

    public var description: String { "\(place): \(message)" }
}
