/// Why no local mongod came up.
public struct LocalMongoError: Error, Sendable, CustomStringConvertible {
    /// The kind of the failure; more may come.
    public struct Code: Sendable, Hashable {
        let name: String
        /// There is no mongod executable in any of the places looked at.
        public static let notFound = Code(name: "no mongod found")
        /// Another mongod works on the data directory.
        public static let directoryInUse = Code(name: "data directory in use")
        /// The program could not be started, or ended before it was ready.
        public static let startFailed = Code(name: "mongod did not start")
        /// It runs, but was not a writable primary in time.
        public static let notReady = Code(name: "mongod is not ready")
    }

    public var code: Code
    /// What happened, and what to do next, in words for a person.
    public var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code.name): \(message)" }
}
