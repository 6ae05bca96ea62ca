package import BSON

/// All that is needed to run one attempt: what the claim gave, ready to be laid out on disk.
package struct AttemptPlan: Sendable {
    package var taskID: ObjectID
    package var attempt: Int32
    /// Marks the processes of this attempt, and of no other.
    package var token: ObjectID
    /// Who holds the lease: with the attempt's number it fences the reports.
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
    package var files: [AttemptFile]
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
        taskID: ObjectID,
        attempt: Int32,
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
        files: [AttemptFile] = [],
        timeout: Duration? = nil,
        stall: Duration? = nil,
        grace: Duration = defaultGrace,
        outputLimit: Int64 = defaultOutputLimit,
        socketPath: String? = nil
    ) {
        self.taskID = taskID
        self.attempt = attempt
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

/// A file that was submitted with the script and lies beside it.
package struct AttemptFile: Sendable, Hashable {
    /// Relative to the working directory, with `/` between folders.
    package var path: String
    /// Permission bits; set-user-id and the like are dropped.
    package var mode: Int32
    package var data: [UInt8]

    package init(path: String, mode: Int32 = 0o644, data: [UInt8]) {
        self.path = path
        self.mode = mode
        self.data = data
    }
}

/// Why an attempt could not be started.
package struct AttemptError: Error, Sendable, CustomStringConvertible {
    package struct Code: Sendable, Hashable {
        let name: String
        /// The task's own fault, on every runner or on this one: no such interpreter, a file that leads out of the
        /// folder.
        package static let cannotStart = Code(name: "cannot-start")
        /// This machine's fault: disk full, no more processes. The task deserves another try.
        package static let machine = Code(name: "machine")
    }

    package var code: Code
    package var message: String
    /// errno of the system call that failed.
    package var systemError: Int32?

    package init(_ code: Code, _ message: String, systemError: Int32? = nil) {
        self.code = code
        self.message = message
        self.systemError = systemError
    }

    package var description: String { message }
}
