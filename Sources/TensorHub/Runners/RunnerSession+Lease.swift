package import BSON
import MongoDriver

/// The leases of a runner, and those that it takes over.
extension RunnerSession {
    /// What a renewal found.
    package struct Renewal: Sendable {
        /// Attempts that are no longer this runner's: another attempt exists, or the task is gone or ended.
        package var lost: Set<AttemptID>
        /// Attempts whose tasks somebody wants cancelled.
        package var cancelled: Set<AttemptID>
    }

    /// Renews the leases of a runner, all in one statement, and looks for requests to cancel.
    package func renew(_ attempts: Set<AttemptID>) async throws(HubError) -> Renewal {
        let ids: BSONValue = ["$in": .array(attempts.map { .objectID($0.task) })]
        _ = try await translatingErrors { () async throws(MongoError) in
            let mine: BSONDocument = ["status": "running", "hub.lease.runner": .objectID(runner), "_id": ids]
            return try await hub.leavingRepeated(mine) { filter async throws(MongoError) in
                try await hub.tasks.updateMany(filter, .pipeline(TaskStatements.renew(lease)))
            }
        }
        return try await inspect(attempts)
    }

    /// Looks which attempts are still this runner's and which are to be cancelled.
    package func inspect(_ attempts: Set<AttemptID>) async throws(HubError) -> Renewal {
        let ids: BSONValue = ["$in": .array(attempts.map { .objectID($0.task) })]
        let options = FindOptions(projection: ["status": 1, "hub.attempt": 1, "hub.lease": 1, "hub.cancel": 1])
        let found = try await translatingErrors { () async throws(MongoError) in
            try await hub.tasks.findAll(["_id": ids], options).map(TaskRecord.init)
        }
        var renewal = Renewal(lost: attempts, cancelled: [])
        for task in found where task.status == .running && task.lease?.runner == runner {
            guard let attempt = task.attemptID, renewal.lost.remove(attempt) != nil else { continue }
            if task.cancelRequested { renewal.cancelled.insert(attempt) }
        }
        return renewal
    }

    /// Takes attempts over from earlier runners. Returns the tasks, whole, that are this runner's now; the others are
    /// somebody else's or ended.
    ///
    /// - Parameter attempts: Each with whoever may hold its lease: the runners before this one.
    package func takeOver(_ attempts: [AttemptID: [ObjectID]]) async throws(HubError) -> [AttemptID: TaskRecord] {
        if attempts.isEmpty { return [:] }
        let statements = attempts.map { id, owners in
            UpdateStatement(
                filter: [
                    "_id": .objectID(id.task), "status": "running",
                    "hub.attempt": .init(smallest: id.number),
                    "hub.lease.runner": ["$in": .array((owners + [runner]).map(BSONValue.objectID))],
                ],
                update: .pipeline(TaskStatements.takeOver(id, runner: runner, lease: lease))
            )
        }
        return try await translatingErrors { () async throws(MongoError) in
            _ = try await hub.tasks.bulkUpdate(statements)
            var owned: [AttemptID: TaskRecord] = [:]
            for id in attempts.keys {
                // One by one: each may have 16 MiB.
                if let task = try await hub.tasks.findOne(fence(id)) { owned[id] = TaskRecord(task) }
            }
            return owned
        }
    }

    /// Who has some tasks, of whatever project: state, attempt and lease.
    package func leased(_ ids: [ObjectID]) async throws(HubError) -> [ObjectID: TaskRecord] {
        let found = try await translatingErrors { () async throws(MongoError) in
            try await hub.tasks.findAll(
                ["_id": ["$in": .array(ids.map(BSONValue.objectID))]],
                FindOptions(projection: ["project_name": 1, "status": 1, "hub.attempt": 1, "hub.lease": 1])
            )
        }
        let records = found.map(TaskRecord.init)
        return Dictionary(
            records.compactMap { task in task.id.map { ($0, task) } },
            uniquingKeysWith: { first, _ in first }
        )
    }
}
