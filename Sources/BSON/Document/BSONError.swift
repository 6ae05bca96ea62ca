/// Why bytes are not BSON, text is not Extended JSON, or a value does not fit the type that was asked for.
public struct BSONError: Error, Sendable, CustomStringConvertible {
    /// The kind of the fault; more may come.
    public struct Code: Sendable, Hashable {
        let name: String
        /// The bytes break the BSON specification: truncated, a wrong length, an unknown type, nested too deeply.
        public static let malformedBytes = Code(name: "malformed BSON")
        /// The text breaks JSON or the Extended JSON specification.
        public static let malformedJSON = Code(name: "malformed Extended JSON")
        /// The value cannot be stored as BSON: a key with a NUL character, a number that is too large.
        public static let unrepresentable = Code(name: "not representable as BSON")
    }

    public var code: Code
    /// What was wrong and where, in words for a person.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code.name): \(message)" }
}
