import BSON
import MongoDriver

extension RunnerSession {
    /// Tells how far scripts say that they are, as `hub.progress` of their tasks, all in one statement. Attempts that
    /// are no longer that runner's are left alone.
    package func setProgress(_ progress: [AttemptID: ScriptProgress]) async throws(HubError) {
        _ = try await translatingErrors { () async throws(MongoError) in
            try await hub.tasks.bulkUpdate(
                progress.map { id, progress in
                    UpdateStatement(filter: fence(id), update: .pipeline(TaskStatements.setProgress(progress)))
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
