public import BSON

/// How a task is to be run: all that is said of it besides its script, hyper-parameters, keys and tags.
/// `TaskOption.all` has a row for each property.
public struct TaskOptions: Sendable, Equatable {
    /// How the script is started, a program with arguments; `nil` leaves it to the script's first line (`#!`), else
    /// Python.
    public var interpreter: String? {
        get { program?.text }
        set { program = newValue?.bytes }
    }
    private var program: ByteString?
    /// What follows the script's name on its command line. `{name}` is filled with a hyper-parameter when the script
    /// starts, see ``ArgumentTemplate``.
    public var arguments: [String] {
        get { argumentTexts.map(\.text) }
        set { argumentTexts = newValue.map(\.bytes) }
    }
    private var argumentTexts: [ByteString] = []
    /// A program and its arguments that are the task, in the place of a script; filled as ``arguments``, which follow.
    public var command: [String] {
        get { commandTexts.map(\.text) }
        set { commandTexts = newValue.map(\.bytes) }
    }
    private var commandTexts: [ByteString] = []
    /// How all hyper-parameters are handed over as arguments, in front of ``arguments``; `nil` hands over none.
    public var parameterArguments: ArgumentStyle?
    /// A folder of the runner's in which the script runs, such as one on shared NFS: a path from the root. What lies in
    /// it is as it is then, and no snapshot. A runner that lacks it leaves the task to others.
    public var workingDirectory: String? {
        get { folder?.text }
        set { folder = newValue?.bytes }
    }
    private var folder: ByteString?
    /// Which Python runs the script: a program, the folder of a virtual environment, or `conda:NAME`; `nil` leaves it
    /// to the runner.
    public var python: String? {
        get { environment?.text }
        set { environment = newValue?.bytes }
    }
    private var environment: ByteString?
    /// Environment variables of the script: texts by name.
    public var variables: BSONDocument = [:]
    /// Files that lie beside the script while it runs.
    public var files: [TaskFile] = []
    /// Higher goes first; 0 unless given.
    public var priority: Int32 = 0
    /// How many failures make the task `failed`; at least 1.
    public var maxFailures = TaskSpec.defaultMaxFailures
    /// How long a task waits after its first failure; twice as long after each further one, at most
    /// `TaskSpec.longestBackoff`, give or take a quarter. Zero waits never.
    public var backoff = TaskSpec.defaultBackoff
    /// What else than a retry follows a failure of a certain kind; the first rule that matches counts.
    public var rules: [FailureRule] = []
    /// Wall-clock limit of an attempt: then SIGTERM, which is the soft limit, and SIGKILL after `grace`, which is the
    /// hard one. `nil` means none.
    public var timeout: Duration?
    /// The longest that a script may print nothing; then it is stopped as after `timeout`. `nil` means for ever.
    public var stall: Duration?
    /// From SIGTERM to SIGKILL; `nil` leaves it to the runner.
    public var grace: Duration?
    /// Not claimed before this time of the server's clock.
    public var notBefore: BSONDateTime?
    /// A task that nobody has taken by this time of the server's clock is failed, kind `queue-deadline`.
    public var deadline: BSONDateTime?
    /// Whether it waits until somebody releases it.
    public var hold = false

    public init() {}

    /// What `hub` says: a field of another type, which any program may have written, reads as absent.
    ///
    /// - Parameter withFiles: Whether the files are copied, which may be large.
    init(hub: BSONDocument, withFiles: Bool = true) {
        for option in TaskOption.all {
            if case .files = option.value, !withFiles { continue }
            if let value = hub[option.name] { option.read(value, into: &self) }
        }
    }

    func validate() throws(HubError) {
        for option in TaskOption.all { try option.check(self) }
        if let workingDirectory, !workingDirectory.bytes.hasPrefix("/") {
            throw .invalid("cwd", "cwd is '\(workingDirectory)'; give a path from the root, such as /data/project")
        }
        if let deadline, let notBefore, deadline <= notBefore {
            throw .invalid(
                "deadline",
                "the deadline \(deadline) is not after not_before \(notBefore); give a later one"
            )
        }
    }

    /// As it is stored; another word than one of the names reads as absent.
    var styleName: String? {
        get { parameterArguments?.rawValue }
        set { parameterArguments = newValue.flatMap(ArgumentStyle.init(rawValue:)) }
    }

    /// What is stored as the script of a task that is a command: the words for people, and for programs of others.
    var commandText: [UInt8] {
        let words = command.map { word in
            let isPlain = !word.isEmpty && word.utf8.allSatisfy { Self.plain.contains($0) }
            return isPlain
                ? word
                : "'\(word.bytes.split(separator: "'", omittingEmptySubsequences: false).map(\.text).joined(separator: #"'\''"#))'"
        }
        return Array((words.joined(separator: " ") + "\n").utf8)
    }

    private static let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%{}".utf8)

    /// The `hub.v` that such a task needs.
    var version: Int32 {
        TaskOption.all.reduce(1) { $1.version > $0 && $1.stored(self) != nil ? $1.version : $0 }
    }

    /// `nil` for the usual one, which is not stored.
    var givenBackoff: Duration? {
        get { backoff == TaskSpec.defaultBackoff ? nil : backoff }
        set { backoff = newValue ?? TaskSpec.defaultBackoff }
    }
}
