import BSON
import MongoDriver

/// Out of running.
extension RunnerSession {
    /// Delivers how attempts ended, all in one statement. Safe to repeat: an end that was accepted stays accepted.
    ///
    /// - Throws: Where MongoDB cannot be reached; deliver again.
    package func deliver(_ ends: [AttemptEnd]) async throws(HubError) -> [AttemptEnd.Outcome] {
        let statements = ends.map {
            UpdateStatement(filter: fence($0.id), update: .pipeline(TaskStatements.end($0)))
        }
        let result = try await translatingErrors { () async throws(MongoError) in
            try await hub.tasks.bulkUpdate(statements)
        }
        var outcomes = [AttemptEnd.Outcome](repeating: .accepted, count: ends.count)
        if result.matched == ends.count { return outcomes }
        // Somebody has written the task anew while it ran.
        let repeated = result.writeErrors.filter { Hub.isRepeatedKey($0.code) }.map { ends[$0.index] }
        if !repeated.isEmpty { try await putAsideRepeated(repeated) }
        for error in result.writeErrors where !Hub.isRepeatedKey(error.code) {
            // DocumentValidationFailure is a schema of the administrator's. Any other code may pass when repeated.
            guard Self.isTooLarge(error.code) || error.code == 121 else {
                throw HubError(.database, "MongoDB does not take the end of an attempt: \(error.message)")
            }
            outcomes[error.index] = .refused(error.message)
        }
        let unsure = ends.indices.filter { outcomes[$0] == .accepted }
        let ids = unsure.map { BSONValue.objectID(ends[$0].id.task) }
        let found = try await translatingErrors { () async throws(MongoError) in
            try await hub.tasks.findAll(["_id": ["$in": .array(ids)]], FindOptions(projection: ["hub.history": 1]))
        }
        let histories = Dictionary(
            found.map(TaskRecord.init).compactMap { task in task.id.map { ($0, task.history) } },
            uniquingKeysWith: { first, _ in first }
        )
        for index in unsure {
            let end = ends[index]
            let isRecorded = histories[end.id.task]?.contains {
                // A rescue has closed the entry too, in other words than ours.
                $0.attempt == end.id.number && $0.runner == runner && $0.end != nil && $0.cause == end.cause
                    && $0.exit == end.exit.map(Int.init)
            }
            if isRecorded != true { outcomes[index] = .leaseLost }
        }
        return outcomes
    }

    /// After MongoDB has gone away under a delivery of these ends: those of tasks with a key twice are looked at.
    package func putAsideRepeated(_ ends: [AttemptEnd]) async throws(HubError) {
        let ids = ends.map { BSONValue.objectID($0.id.task) }
        _ = try await translatingErrors { () async throws(MongoError) in
            try await hub.putAside([
                "_id": ["$in": .array(ids)], "status": "running", "hub.lease.runner": .objectID(runner),
            ])
        }
    }
}
