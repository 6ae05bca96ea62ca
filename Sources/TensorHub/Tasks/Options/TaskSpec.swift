public import BSON

/// A task to create: a script, its hyper-parameters, and the names of the values wanted back.
///
/// TensorLayer: the arguments of `create_task(task_name, script, hyper_parameters, saved_result_keys, **tags)`.
@dynamicMemberLookup
public struct TaskSpec: Sendable {
    /// What several tasks share, such as `mnist`; `nil` writes no `task_name`, as TensorLayer does.
    public var name: String?
    /// The text of the script, as it is now: later edits of the file do not matter.
    public var script: [UInt8]
    /// What its file is called, without folders: tracebacks of a Python script name it; `nil` leaves it without a name.
    public var scriptName: String?
    /// The arguments of the script.
    public var hyperParameters: BSONDocument
    /// Names of the values that the script must leave behind.
    public var savedResultKeys: [String]
    /// Anything else to find the task by. `description` is a tag like any other.
    public var tags: BSONDocument
    /// The task that it is a changed copy of.
    public private(set) var origin: ObjectID?
    /// How it is to be run; each of these is a property of the task's too.
    public var options = TaskOptions()

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
        (options.interpreter, options.files, options.rules) = (interpreter, files, rules)
        (options.priority, options.maxFailures, options.backoff) = (priority, maxFailures, backoff)
        (options.timeout, options.stall, options.grace) = (timeout, stall, grace)
        (options.notBefore, options.deadline, options.hold) = (notBefore, deadline, hold)
    }

    public subscript<Value>(dynamicMember option: WritableKeyPath<TaskOptions, Value>) -> Value {
        get { options[keyPath: option] }
        set { options[keyPath: option] = newValue }
    }

    /// Another task once more: its script, hyper-parameters, keys, tags and options, but for its times and its hold, to
    /// be changed and created. It says where it comes from.
    ///
    /// - Parameter task: Whole, as `Hub.task` returns it.
    /// - Throws: `HubError.invalidInput` where it cannot be run.
    public init(again task: TaskRecord) throws(HubError) {
        self.init(
            name: task.name,
            script: task.script ?? [],
            hyperParameters: task.hyperParameters ?? [:],
            savedResultKeys: task.savedResultKeys ?? [],
            tags: task.tags
        )
        scriptName = task.scriptName
        options = try task.checkedOptions()
        (options.notBefore, options.deadline, options.hold) = (nil, nil, false)
        if !options.command.isEmpty { script = [] }
        origin = task.id
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

    /// A program and its arguments in the place of a script.
    public init(
        name: String? = nil,
        command: [String],
        hyperParameters: BSONDocument = [:],
        savedResultKeys: [String] = []
    ) {
        self.init(name: name, script: [], hyperParameters: hyperParameters, savedResultKeys: savedResultKeys)
        options.command = command
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
