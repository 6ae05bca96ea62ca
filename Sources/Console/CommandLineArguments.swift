import CMongoStart

/// What the program was called with. Swift's own `CommandLine` reads what the process list shows, and there passwords
/// are hidden before anything else happens.
enum CommandLineArguments {
    /// Without the program's name.
    static var all: [String] {
        (1..<max(1, tensorhub_argument_count())).compactMap { tensorhub_argument($0).map { String(cString: $0) } }
    }
}
