package import BSON
package import TensorHub

/// `claim.json`: what a restarted runner must know to go on with an attempt that it finds on its disk.
package struct AttemptClaim: Sendable, Equatable {
    package var id: AttemptID
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
        id = plan.id
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
        id = directory.id
        token = ObjectID()
        self.runner = runner
        formerRunners = [formerRunner]
        self.project = project
        self.database = database
        savedResultKeys = []
        outputLimit = Int64(RunnerOptions.defaultOutputLimit)
    }

    init?(_ document: BSONDocument) {
        guard let task = document["task_id"]?.objectIDValue,
            let number = document["attempt"]?.intValue,
            let token = document["token"]?.objectIDValue,
            let runner = document["runner"]?.objectIDValue,
            let project = document["project"]?.stringValue,
            let keys = document["saved_result_keys"]?.arrayValue,
            let outputLimit = document["output_limit"]?.intValue
        else { return nil }
        id = AttemptID(task: task, number: number)
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
            "task_id": .objectID(id.task),
            "attempt": .init(smallest: id.number),
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
