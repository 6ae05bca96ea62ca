public import BSON

/// How a task is to be run: all that is said of it besides its script, hyper-parameters, keys and tags.
/// `TaskOption.all` has a row for each property.
public struct TaskOptions: Sendable, Equatable {
    /// How the script is started, a program with arguments; `nil` leaves it to the script's first line (`#!`), else
    /// Python.
    public var interpreter: String? {
        get { command?.text }
        set { command = newValue?.bytes }
    }
    private var command: ByteString?
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
        if let deadline, let notBefore, deadline <= notBefore {
            throw .invalid(
                "deadline",
                "the deadline \(deadline) is not after not_before \(notBefore); give a later one"
            )
        }
    }

    /// `nil` for the usual one, which is not stored.
    var givenBackoff: Duration? {
        get { backoff == TaskSpec.defaultBackoff ? nil : backoff }
        set { backoff = newValue ?? TaskSpec.defaultBackoff }
    }
}
