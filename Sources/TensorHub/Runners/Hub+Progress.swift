public import BSON
import MongoDriver

extension Hub {
    /// Tells how far scripts say that they are, as `hub.progress` of their tasks, all in one statement. Attempts that
    /// are no longer that runner's are left alone.
    package func setProgress(
        _ progress: [(origin: AttemptOrigin, progress: ScriptProgress)],
        runner: ObjectID
    ) async throws(HubError) {
        _ = try await translatingErrors { () async throws(MongoError) in
            try await tasks.bulkUpdate(
                progress.map { origin, progress in
                    UpdateStatement(
                        filter: TaskStatements.fence(origin.taskID, attempt: origin.attempt, runner: runner),
                        update: .pipeline(TaskStatements.setProgress(progress))
                    )
                }
            )
        }
    }
}

extension TaskStatements {
    static func setProgress(_ progress: ScriptProgress) -> [BSONDocument] {
        var document: BSONDocument = [:]
        if let fraction = progress.fraction { document.append("fraction", .double(fraction)) }
        if let message = progress.message { document.append("message", ["$literal": .string(message)]) }
        document.append("time", "$$NOW")
        // In place of the one before, not merged into it.
        return guarded([["$set": ["hub.progress": ["$mergeObjects": [.document(document)]]]]])
    }
}

/// How far the script of a running task says that it is.
public struct ReportedProgress: Sendable, Hashable {
    /// From 0 to 1.
    public var fraction: Double?
    public var message: String?
    /// By the server's clock.
    public var time: BSONDateTime?

    init(_ document: BSONDocument) {
        fraction = document["fraction"]?.doubleValue
        message = document["message"]?.stringValue
        time = document["time"]?.dateTimeValue
    }
}
