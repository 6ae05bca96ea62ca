import BSON
import MongoDriver

extension Hub {
    /// Cancels: a pending task at once; a running one as soon as its runner says that the script is dead,
    /// `cancelled` then. One statement, whatever the number. Ended tasks are left alone. Those of newer versions are
    /// cancelled too: what `status` and `hub.cancel` mean stays.
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
        try await change(
            selection,
            from: TaskTransition.cancel.origins,
            TaskStatements.cancel(by: by, reason: reason),
            takesNewer: true,
            ending: .cancelled
        )
    }

    /// Runs ended tasks again; the history of their attempts stays.
    ///
    /// - Throws: `HubError.wrongState`, as `holdTasks` and `releaseTasks` do, where some need a newer version of this
    ///   library; the others were changed.
    @discardableResult
    public func retryTasks(_ selection: TaskSelection) async throws(HubError) -> Int {
        // One that was retried and has ended again meanwhile is not retried twice.
        let now = try await serverTime()
        return try await change(
            selection,
            from: TaskTransition.retryByHand.origins,
            again: Filter(["hub.ended": ["$not": ["$gt": .dateTime(now)]]]),
            TaskStatements.retryByHand,
            ending: nil
        )
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
    /// the scripts when they next renew. What they print until then, and what a deletion leaves that is cut off, is
    /// found by `collectOutput`.
    ///
    /// TensorLayer: `delete_tasks`.
    @discardableResult
    public func deleteTasks(_ selection: TaskSelection, includingRunning: Bool = false) async throws(HubError) -> Int {
        var filter = selection.document(project: project)
        if !includingRunning {
            filter = ["$and": [.document(filter), ["status": ["$ne": "running"]]]]
        }
        var deleted = 0
        var last: BSONDocument?
        while true {
            let place = last.flatMap { MongoCollection.behind($0, ["_id": 1]) }
            let rest = place.map { ["$and": [.document(filter), .document($0)]] } ?? filter
            let batch = try await translatingErrors { () async throws(MongoError) in
                try await tasks.findAll(
                    rest,
                    FindOptions(sort: ["_id": 1], projection: ["_id": 1, "hub.checkpoint": 1], limit: 1000)
                )
            }
            // Each is met once: those that were claimed meanwhile stay, and those behind them go all the same.
            guard let end = batch.last else { return deleted }
            last = end
            let ids = batch.compactMap { $0["_id"] }
            deleted += try await translatingErrors { () async throws(MongoError) in
                let count = try await tasks.delete(ids, matching: filter)
                // Only then the output: a task that was claimed meanwhile stays, and keeps what it has printed.
                let gone = try await missingTasks(ids)
                try await output.deleteInPieces(["task_id": ["$in": .array(gone)]], of: Self.outputDeletedAtOnce)
                return count
            }
            // A checkpoint of a task that is still there is still referred to, and stays.
            for checkpoint in batch.compactMap({ TaskRecord($0).checkpoint }) {
                try await releaseCheckpoint(checkpoint)
            }
        }
    }

    /// Those of which there is no document, in whatever project.
    func missingTasks(_ ids: [ObjectID]) async throws(HubError) -> [ObjectID] {
        try await translatingErrors { () async throws(MongoError) in
            try await missingTasks(ids.map(BSONValue.objectID)).compactMap(\.objectIDValue)
        }
    }

    func missingTasks(_ ids: [BSONValue]) async throws(MongoError) -> [BSONValue] {
        if ids.isEmpty { return [] }
        let there = try await tasks.findAll(["_id": ["$in": .array(ids)]], FindOptions(projection: ["_id": 1]))
        let present = Set(there.compactMap { $0["_id"] })
        return ids.filter { !present.contains($0) }
    }

    /// Chunks of output, 256 KiB each: what a slow disk deletes in a few seconds.
    static let outputDeletedAtOnce = 500

    /// - Parameters:
    ///   - again: What else must hold of a task when the statement is sent once more, since the first one may have been
    ///     done.
    ///   - takesNewer: Whether it is safe for tasks of newer versions.
    ///   - ending: In which state a task ends that has a key twice; `nil` leaves it as it is.
    private func change(
        _ selection: TaskSelection,
        from states: [TaskStatus],
        again: Filter = .all,
        _ pipeline: [BSONDocument],
        takesNewer: Bool = false,
        ending: TaskStatus? = .failed
    ) async throws(HubError) -> Int {
        try await ensureIndexes()
        let filter: BSONDocument = [
            "$and": [
                .document(selection.document(project: project)),
                ["status": TaskSelection.oneOf(states.map { .string($0.rawValue) })],
            ]
        ]
        var sound = Self.sound(filter)
        if !takesNewer { sound.append("hub.v", TaskStatements.known) }
        let (changed, newer) = try await translatingErrors { [sound] () async throws(MongoError) -> (Int, Int) in
            // Of a statement whose answer was lost nobody can tell how many it has changed.
            let before = patience == nil ? 0 : try await tasks.countDocuments(sound)
            let narrowed = (Filter(sound) && again).document
            let (matched, isUnsure) = try await tasks.updateMany(sound, again: narrowed, .pipeline(pipeline))
            let changed = isUnsure ? max(before, matched) : matched
            let left = try await leftAlone(filter, takesNewer: takesNewer)
            let newer = left.filter { !takesNewer && $0.newerVersion != nil }.count
            guard let ending else { return (changed, newer) }
            let repeated = left.filter { takesNewer || $0.newerVersion == nil }
            return (changed + (try await putAside(repeated, of: filter, as: ending)), newer)
        }
        if newer > 0 {
            throw HubError(
                .wrongState,
                "\(newer) of the tasks need a newer version of TensorHub than this one and were left as they are"
                    + (changed > 0 ? ", the other \(changed) were changed" : "") + "; do that with the newer one"
            )
        }
        return changed
    }

    /// What a change could not be made to: tasks with a key twice, and those of newer versions.
    private func leftAlone(_ filter: BSONDocument, takesNewer: Bool) async throws(MongoError) -> [TaskRecord] {
        var reasons: [BSONValue] = [["$expr": TaskStatements.hasRepeatedKey]]
        if !takesNewer { reasons.append(["hub.v": TaskStatements.newer]) }
        let pipeline: [BSONDocument] = [
            ["$match": .document(filter)], ["$match": ["$or": .array(reasons)]], ["$unset": "script"],
        ]
        return try await tasks.aggregateAll(pipeline).map(TaskRecord.init)
    }
}
