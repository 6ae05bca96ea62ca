public import BSON

/// A task to create: a script, its hyper-parameters, and the names of the values wanted back.
///
/// TensorLayer: the arguments of `create_task(task_name, script, hyper_parameters, saved_result_keys, **tags)`.
public struct TaskSpec: Sendable {
    /// What several tasks share, such as `mnist`; `nil` writes no `task_name`, as TensorLayer does.
    public var name: String?
    /// The text of the script, as it is now: later edits of the file do not matter.
    public var script: [UInt8]
    /// The arguments of the script.
    public var hyperParameters: BSONDocument
    /// Names of the values that the script must leave behind.
    public var savedResultKeys: [String]
    /// Anything else to find the task by. `description` is a tag like any other.
    public var tags: BSONDocument
    /// How the script is started, a program with arguments; `nil` leaves it to the script's first line (`#!`), else
    /// Python.
    public var interpreter: String?
    /// Files that lie beside the script while it runs.
    public var files: [TaskFile]
    /// Higher goes first; 0 unless given.
    public var priority: Int32
    /// How many failures make the task `failed`; at least 1.
    public var maxFailures: Int32
    /// How long a task waits after its first failure; twice as long after each further one, at most
    /// `TaskSpec.longestBackoff`, give or take a quarter. Zero waits never.
    public var backoff: Duration
    /// What else than a retry follows a failure of a certain kind; the first rule that matches counts.
    public var rules: [FailureRule]
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
    public var hold: Bool

    public init(
        name: String? = nil,
        script: [UInt8],
        hyperParameters: BSONDocument = [:],
        savedResultKeys: [String] = [],
        tags: BSONDocument = [:],
        interpreter: String? = nil,
        files: [TaskFile] = [],
        priority: Int32 = 0,
        maxFailures: Int32 = TaskSpec.defaultMaxFailures,
        backoff: Duration = TaskSpec.defaultBackoff,
        rules: [FailureRule] = [],
        timeout: Duration? = nil,
        stall: Duration? = nil,
        grace: Duration? = nil,
        notBefore: BSONDateTime? = nil,
        deadline: BSONDateTime? = nil,
        hold: Bool = false
    ) {
        self.name = name
        self.script = script
        self.hyperParameters = hyperParameters
        self.savedResultKeys = savedResultKeys
        self.tags = tags
        self.interpreter = interpreter
        self.files = files
        self.priority = priority
        self.maxFailures = maxFailures
        self.backoff = backoff
        self.rules = rules
        self.timeout = timeout
        self.stall = stall
        self.grace = grace
        self.notBefore = notBefore
        self.deadline = deadline
        self.hold = hold
    }

    /// A script given as text.
    public init(
        name: String? = nil,
        script: String,
        hyperParameters: BSONDocument = [:],
        savedResultKeys: [String] = []
    ) {
        self.init(
            name: name,
            script: Array(script.utf8),
            hyperParameters: hyperParameters,
            savedResultKeys: savedResultKeys
        )
    }

    public static let defaultMaxFailures: Int32 = 3
    public static let defaultBackoff: Duration = .seconds(10)
    public static let longestBackoff: Duration = .seconds(3600)
    /// Bytes. Leaves room in the 16 MiB of a MongoDB document for everything else.
    public static let maximumScriptSize = 12 * 1024 * 1024
    /// Bytes: what MongoDB takes as one document.
    public static let maximumDocumentSize = 16 * 1024 * 1024
    /// Bytes of a new task: what is left is for lease, history and error.
    public static let maximumTaskSize = maximumDocumentSize - 64 * 1024
}
