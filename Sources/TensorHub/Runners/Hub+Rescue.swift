package import BSON
import MongoDriver

/// Tasks whose runner is gone, and the attempts of a runner that came back. Each statement is safe to repeat, by any
/// runner at any time.
extension Hub {
    /// Running tasks whose lease has expired, by the server's clock, and when it did; at most 1,000.
    package func expiredLeases() async throws(HubError) -> [ObjectID: BSONDateTime] {
        try await translatingErrors { () async throws(MongoError) in
            var filter = TaskStatements.rescueFilter(project: project, horizon: try await rescueHorizon())
            // Any other is not a runner's, and must not take the place of one that is.
            filter.append("_id", ["$type": "objectId"])
            let options = FindOptions(projection: ["hub.lease.expires": 1], limit: 1000)
            let found = try await tasks.findAll(filter, options)
            let leases = found.map { ($0["_id"]?.objectIDValue, $0.value(atPath: "hub.lease.expires")?.dateTimeValue) }
            return Dictionary(
                leases.compactMap { id, expires in id.flatMap { id in expires.map { (id, $0) } } },
                uniquingKeysWith: { first, _ in first }
            )
        }
    }

    /// Returns tasks whose lease has expired to the queue. Returns how many.
    ///
    /// After an outage every lease has expired, and the living runners must renew theirs first: so a lease is to be
    /// seen expired for a while, unchanged, before this is called.
    ///
    /// - Parameters:
    ///   - ids: Only these; `nil` for all.
    ///   - overdue: How long ago the lease must have expired.
    @discardableResult
    package func rescue(_ ids: [ObjectID]? = nil, overdue: Duration = .zero) async throws(HubError) -> Int {
        try await translatingErrors { () async throws(MongoError) in
            let horizon = try await rescueHorizon()
            var filter = TaskStatements.rescueFilter(project: project, horizon: horizon, overdue: overdue)
            if let ids { filter.append("_id", ["$in": .array(ids.map(BSONValue.objectID))]) }
            func rescue() async throws(MongoError) -> Int {
                try await leavingRepeated(filter) { filter async throws(MongoError) in
                    try await tasks.updateMany(filter, .pipeline(TaskStatements.rescue)).matched
                }
            }
            do throws(MongoError) {
                return try await rescue()
            } catch {
                guard Self.isTooLarge(error.serverCode ?? error.writeErrors.first?.code) else { throw error }
                let large = try await tasks.updateMany(
                    TaskStatements.rescueLargeFilter(filter),
                    .pipeline(TaskStatements.guarded(TaskStatements.failMinimally))
                )
                return large.matched + (try await rescue())
            }
        }
    }

    /// Bounds the scan of the index; the server's own clock decides.
    private func rescueHorizon() async throws(MongoError) -> BSONDateTime {
        let now = try await clock.now()
        return BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 + 1000)
    }

    /// Returns tasks that run without a lease, as under TensorLayer's own runners, to the queue, that long after
    /// somebody first called this while they did. Returns how many.
    @discardableResult
    package func rescueUnleased(after limit: Duration) async throws(HubError) -> Int {
        try await translatingErrors { () async throws(MongoError) in
            let due = TaskStatements.rescueUnleasedFilter(project: project, after: limit)
            let rescued = try await leavingRepeated(due) { filter async throws(MongoError) in
                try await tasks.updateMany(filter, .pipeline(TaskStatements.rescueUnleased)).matched
            }
            // Another runner's tasks: one with a key twice is left to it.
            let new = TaskStatements.markUnleasedFilter(project: project)
            _ = try await leavingRepeated(new, as: nil) { filter async throws(MongoError) in
                try await tasks.updateMany(filter, .pipeline(TaskStatements.markUnleased))
            }
            return rescued
        }
    }

    /// What this database's tasks are told apart by from those of any other database, however it is connected to: the
    /// UUID of collection `Task`. Empty where there is no such collection yet.
    package func identity() async throws(HubError) -> String { try await identity(of: tasks.name) }

    /// The UUID of a collection.
    func identity(of collection: String) async throws(HubError) -> String {
        try await translatingErrors { () async throws(MongoError) in
            let reply = try await database.runCommand(
                ["listCollections": 1, "filter": ["name": .string(collection)]],
                isIdempotent: true
            )
            let info = reply.value(atPath: "cursor.firstBatch")?.arrayValue?.first?.documentValue?["info"]?
                .documentValue
            return info?["uuid"]?.binaryValue.map { Hexadecimal.text($0.bytes) } ?? ""
        }
    }

    /// An attempt that an earlier runner began.
    package struct Inheritance: Sendable {
        package var taskID: ObjectID
        package var attempt: Int
        /// Whoever may hold the lease: the runners before this one, newest last.
        package var owners: [ObjectID]

        package init(taskID: ObjectID, attempt: Int, owners: [ObjectID]) {
            self.taskID = taskID
            self.attempt = attempt
            self.owners = owners
        }
    }

    /// Takes attempts over from earlier runners. Returns the tasks, whole, that are this runner's now; the others are
    /// somebody else's or ended.
    package func reown(
        _ attempts: [Inheritance],
        runner: ObjectID,
        lease: Duration
    ) async throws(HubError) -> [ObjectID: TaskRecord] {
        if attempts.isEmpty { return [:] }
        let statements = attempts.map { attempt in
            UpdateStatement(
                filter: [
                    "_id": .objectID(attempt.taskID), "status": "running",
                    "hub.attempt": .init(smallest: attempt.attempt),
                    "hub.lease.runner": ["$in": .array((attempt.owners + [runner]).map(BSONValue.objectID))],
                ],
                update: .pipeline(TaskStatements.reown(attempt: attempt.attempt, runner: runner, lease: lease))
            )
        }
        return try await translatingErrors { () async throws(MongoError) in
            _ = try await tasks.bulkUpdate(statements)
            var owned: [ObjectID: TaskRecord] = [:]
            for attempt in attempts {
                // One by one: each may have 16 MiB.
                let fence = TaskStatements.fence(attempt.taskID, attempt: attempt.attempt, runner: runner)
                if let task = try await tasks.findOne(fence) { owned[attempt.taskID] = TaskRecord(task) }
            }
            return owned
        }
    }

    /// How far the output of an attempt is stored: the number of the next chunk, and where it begins.
    package func storedOutput(
        of id: ObjectID,
        attempt: Int
    ) async throws(HubError) -> (seq: Int64, offset: Int64) {
        let filter: BSONDocument = ["task_id": .objectID(id), "attempt": .init(smallest: attempt)]
        let newest = try await translatingErrors { () async throws(MongoError) in
            try await output.findOne(filter, FindOptions(sort: ["seq": -1]))
        }
        guard let newest, let seq = newest["seq"]?.intValue, let offset = newest["offset"]?.intValue else {
            return (0, 0)
        }
        return (Int64(seq) + 1, Int64(offset + (newest["data"]?.binaryValue?.bytes.count ?? 0)))
    }

    /// Who has some tasks, of whatever project: state, attempt and lease.
    package func leased(_ ids: [ObjectID]) async throws(HubError) -> [ObjectID: TaskRecord] {
        let found = try await translatingErrors { () async throws(MongoError) in
            try await tasks.findAll(
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

    /// Which of some runners say that they are, or were, on that host.
    package func runners(_ ids: [ObjectID], on host: String) async throws(HubError) -> Set<ObjectID> {
        let found = try await translatingErrors { () async throws(MongoError) in
            try await runners.findAll(
                ["_id": ["$in": .array(ids.map(BSONValue.objectID))], "host": .string(host)],
                FindOptions(projection: ["_id": 1])
            )
        }
        return Set(found.compactMap { $0["_id"]?.objectIDValue })
    }
}
