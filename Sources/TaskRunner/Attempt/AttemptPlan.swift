package import BSON
package import TensorHub

/// All that is needed to run one attempt: what the claim gave, ready to be laid out on disk.
package struct AttemptPlan: Sendable {
    package var id: AttemptID
    /// Marks the processes of this attempt, and of no other.
    package var token: ObjectID
    /// Who holds the lease: with the attempt's number it fences what is delivered.
    package var runner: ObjectID
    /// The task for `task.json`, without `script` and the bytes of `hub.files`.
    package var task: BSONDocument
    package var taskName: String?
    package var project: String
    /// In the words of `Hub.identity()`.
    package var database: String
    package var script: [UInt8]
    /// What the distributor asked for; otherwise the script's first line decides, then `python3`.
    package var interpreter: String?
    package var hyperParameters: BSONDocument
    package var savedResultKeys: [String]
    package var files: [TaskFile]
    package var timeout: Duration?
    /// The longest that the script may print nothing.
    package var stall: Duration?
    /// From SIGTERM to SIGKILL when the script is stopped.
    package var grace: Duration
    /// Bytes of output kept on disk; the middle is given up first.
    package var outputLimit: Int64
    /// Where the script API listens; `nil` where there is none.
    package var socketPath: String?

    package static let defaultGrace: Duration = .seconds(30)
    package static let defaultOutputLimit: Int64 = 64 << 20

    package init(
        _ id: AttemptID,
        token: ObjectID,
        runner: ObjectID = ObjectID(),
        task: BSONDocument,
        taskName: String? = nil,
        project: String,
        database: String = "",
        script: [UInt8],
        interpreter: String? = nil,
        hyperParameters: BSONDocument = [:],
        savedResultKeys: [String] = [],
        files: [TaskFile] = [],
        timeout: Duration? = nil,
        stall: Duration? = nil,
        grace: Duration = defaultGrace,
        outputLimit: Int64 = defaultOutputLimit,
        socketPath: String? = nil
    ) {
        self.id = id
        self.token = token
        self.runner = runner
        self.task = task
        self.taskName = taskName
        self.project = project
        self.database = database
        self.script = script
        self.interpreter = interpreter
        self.hyperParameters = hyperParameters
        self.savedResultKeys = savedResultKeys
        self.files = files
        self.timeout = timeout
        self.stall = stall
        self.grace = grace
        self.outputLimit = outputLimit
        self.socketPath = socketPath
    }
}
