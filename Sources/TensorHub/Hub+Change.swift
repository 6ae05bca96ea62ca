import BSON
import MongoDriver

extension Hub {
    /// Cancels: a pending task at once; a running one as soon as its runner reports that the script is dead, `cancelled`
    /// then. One statement, whatever the number. Ended tasks are left alone.
    ///
    /// - Parameters:
    ///   - by: Who wants it, for the record.
    ///   - reason: Why, for the record.
    /// - Returns: How many tasks it concerned.
    @discardableResult
    public func cancelTasks(
        _ selection: TaskSelection,
        by: String? = nil,
        reason: String? = nil
    ) async throws(HubError) -> Int {
        try await change(selection, from: [.pending, .running], TaskStatements.cancel(by: by, reason: reason))
    }

    /// Runs ended tasks again; the history of their attempts stays.
    @discardableResult
    public func retryTasks(_ selection: TaskSelection) async throws(HubError) -> Int {
        try await change(selection, from: [.finished, .failed, .cancelled], TaskStatements.retryByHand)
    }

    /// Keeps pending tasks from being claimed until `releaseTasks`.
    @discardableResult
    public func holdTasks(_ selection: TaskSelection) async throws(HubError) -> Int {
        try await change(selection, from: [.pending], TaskStatements.hold)
    }

    /// Ends a hold.
    @discardableResult
    public func releaseTasks(_ selection: TaskSelection) async throws(HubError) -> Int {
        var held = selection
        held.filter = selection.filter && FieldPath("hub.hold") == true
        return try await change(held, from: [.pending], TaskStatements.unhold)
    }

    /// Deletes tasks and their output. Running ones are left alone unless `includingRunning`; their runners then stop
    /// the scripts when they next renew.
    ///
    /// TensorLayer: `delete_tasks`.
    @discardableResult
    public func deleteTasks(_ selection: TaskSelection, includingRunning: Bool = false) async throws(HubError) -> Int {
        var filter = selection.document(project: project)
        if !includingRunning {
            filter = ["$and": [.document(filter), ["status": ["$ne": "running"]]]]
        }
        var deleted = 0
        while true {
            let (count, checkpoints) = try await translatingErrors {
                () async throws(MongoError) -> (Int, [TaskCheckpoint]) in
                // Output first: if this is cut off, the task is still there to be deleted again.
                let options = FindOptions(projection: ["_id": 1, "hub.checkpoint": 1], limit: 1000)
                let batch = try await tasks.findAll(filter, options)
                let ids = batch.compactMap { $0["_id"] }
                if ids.isEmpty { return (0, []) }
                _ = try await output.deleteMany(["task_id": ["$in": .array(ids)]])
                let count = try await tasks.deleteMany(["$and": [.document(filter), ["_id": ["$in": .array(ids)]]]])
                return (count, batch.compactMap { TaskRecord($0).checkpoint })
            }
            // A checkpoint of a task that is still there is still referred to, and stays.
            for checkpoint in checkpoints { try await releaseCheckpoint(checkpoint) }
            deleted += count
            if count == 0 { return deleted }
        }
    }

    private func change(
        _ selection: TaskSelection,
        from states: [TaskStatus],
        _ pipeline: [BSONDocument]
    ) async throws(HubError) -> Int {
        try await ensureIndexes()
        let filter: BSONDocument = [
            "$and": [
                .document(selection.document(project: project)),
                ["status": TaskSelection.oneOf(states.map { .string($0.rawValue) })],
            ]
        ]
        return try await translatingErrors { () async throws(MongoError) in
            try await tasks.updateMany(filter, .pipeline(pipeline)).matched
        }
    }
}
