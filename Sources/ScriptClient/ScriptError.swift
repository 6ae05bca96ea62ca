/// Why the runner did not do what a script asked of it. The description is a sentence with the facts and the next step.
public struct ScriptError: Error, Sendable, CustomStringConvertible {
    /// The server's word for the fault, as in `docs/api.md`; more may come.
    public struct Code: RawRepresentable, Sendable, Hashable {
        public var rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }

        /// This process is no script of a task that runs.
        public static let notInAttempt = Code(rawValue: "not-in-attempt")
        /// A value of the caller's cannot be used; `field` names it.
        public static let invalidInput = Code(rawValue: "invalid-input")
        /// The name of a data set or model has a character that no name may have, or none at all.
        public static let badName = Code(rawValue: "bad-name")
        /// The field is the hub's to set; give the value another name.
        public static let reservedField = Code(rawValue: "reserved-field")
        /// Nothing matches; `suggestions` has names that are near.
        public static let notFound = Code(rawValue: "not-found")
        /// MongoDB's user, as which the runner works, may not do that; the message says what.
        public static let forbidden = Code(rawValue: "forbidden")
        /// The token is that of another attempt.
        public static let otherAttempt = Code(rawValue: "other-attempt")
        /// The runner does not answer, or MongoDB behind it.
        public static let unreachable = Code(rawValue: "unreachable")
        /// A local file or folder cannot be read.
        public static let localFile = Code(rawValue: "local-file")
        /// The attempt was finished before.
        public static let wrongState = Code(rawValue: "wrong-state")
    }

    public var code: Code
    /// HTTP's status; `nil` where there was no answer.
    public var status: Int?
    /// The field at fault, where there is one.
    public var field: String?
    public var message: String
    /// Names that are near one that does not exist.
    public var suggestions: [String] = []

    public init(_ code: Code, status: Int? = nil, field: String? = nil, _ message: String) {
        self.code = code
        self.status = status
        self.field = field
        self.message = message
    }

    public var description: String {
        let isNamed = suggestions.isEmpty || suggestions.contains { message.contains($0) }
        return isNamed ? message : "\(message); near it: \(suggestions.joined(separator: ", "))"
    }

    /// Whether the same request may succeed later.
    var isTransient: Bool { code == .unreachable || status == 503 }

    static func unreachable(_ path: String, _ reason: String) -> ScriptError {
        ScriptError(.unreachable, "the runner at its socket \(path) does not answer (\(reason))")
    }
}
