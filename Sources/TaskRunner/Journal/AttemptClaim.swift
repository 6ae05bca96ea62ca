package import BSON

/// `claim.json`: what a restarted runner must know to go on with an attempt that it finds on its disk.
package struct AttemptClaim: Sendable, Equatable {
    package var taskID: ObjectID
    package var attempt: Int32
    package var token: ObjectID
    package var runner: ObjectID
    /// The runners that had it before, oldest first: one of them may still be named in MongoDB.
    package var formerRunners: [ObjectID] = []
    package var project: String
    /// Which database it came from, in the words of `Hub.identity()`.
    package var database: String
    package var savedResultKeys: [String]
    package var outputLimit: Int64

    init(_ plan: AttemptPlan) {
        taskID = plan.taskID
        attempt = plan.attempt
        token = plan.token
        runner = plan.runner
        project = plan.project
        database = plan.database
        savedResultKeys = plan.savedResultKeys
        outputLimit = plan.outputLimit
    }

    /// What can be said of an attempt whose own claim is damaged. Nobody knows its token any more.
    init(
        of directory: AttemptDirectory,
        runner: ObjectID,
        formerRunner: ObjectID,
        project: String,
        database: String
    ) {
        taskID = directory.taskID
        attempt = directory.attempt
        token = ObjectID()
        self.runner = runner
        formerRunners = [formerRunner]
        self.project = project
        self.database = database
        savedResultKeys = []
        outputLimit = Int64(AttemptPlan.defaultOutputLimit)
    }

    init?(_ document: BSONDocument) {
        guard let taskID = document["task_id"]?.objectIDValue,
            let attempt = document["attempt"]?.intValue.flatMap({ Int32(exactly: $0) }),
            let token = document["token"]?.objectIDValue,
            let runner = document["runner"]?.objectIDValue,
            let project = document["project"]?.stringValue,
            let keys = document["saved_result_keys"]?.arrayValue,
            let outputLimit = document["output_limit"]?.intValue
        else { return nil }
        self.taskID = taskID
        self.attempt = attempt
        self.token = token
        self.runner = runner
        formerRunners = document["former_runners"]?.arrayValue?.compactMap(\.objectIDValue) ?? []
        self.project = project
        database = document["database"]?.stringValue ?? ""
        savedResultKeys = keys.compactMap(\.stringValue)
        self.outputLimit = Int64(outputLimit)
    }

    var bytes: [UInt8] { Array(document.extendedJSON(.canonical).utf8) }

    private var document: BSONDocument {
        var document: BSONDocument = [
            "v": 1,
            "task_id": .objectID(taskID),
            "attempt": .int32(attempt),
            "token": .objectID(token),
            "runner": .objectID(runner),
            "project": .string(project),
            "database": .string(database),
            "saved_result_keys": .array(savedResultKeys.map(BSONValue.string)),
            "output_limit": .int64(outputLimit),
        ]
        if !formerRunners.isEmpty { document.append("former_runners", .array(formerRunners.map(BSONValue.objectID))) }
        return document
    }
}

/// `pids.json`: the two processes of an attempt, so that a restarted runner finds them and nobody else.
package struct AttemptProcesses: Sendable, Equatable {
    package struct Identity: Sendable, Equatable {
        package var pid: Int32
        /// Clock ticks since boot: with the pid, it names one process.
        package var start: UInt64
    }

    package var supervisor: Identity
    package var script: Identity
    /// Pids of another boot mean nothing.
    package var bootID: String
    /// The inode of the supervisor's journal: a script may have given the folder's name to another one.
    package var journal: UInt64?

    init?(json: [UInt8]) {
        guard let document = try? BSONDocument(extendedJSON: json, options: .init(plain: true)),
            let supervisor = Identity(document["supervisor"]), let script = Identity(document["script"]),
            let bootID = document["boot_id"]?.stringValue
        else { return nil }
        self.supervisor = supervisor
        self.script = script
        self.bootID = bootID
        journal = document["journal"]?.intValue.flatMap { UInt64(exactly: $0) }
    }
}

extension AttemptProcesses.Identity {
    fileprivate init?(_ value: BSONValue?) {
        guard let document = value?.documentValue,
            let pid = document["pid"]?.intValue.flatMap({ Int32(exactly: $0) }), pid > 0,
            let start = document["start"]?.intValue.flatMap({ UInt64(exactly: $0) })
        else { return nil }
        self.pid = pid
        self.start = start
    }
}
