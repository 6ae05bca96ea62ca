package import BSON
package import MongoDriver

/// The statements of a runner, each safe to repeat.
extension Hub {
    /// What a runner takes.
    package struct ClaimQuery: Sendable {
        /// Task names; empty takes any.
        package var names: [String]
        /// Any further condition.
        package var filter: Filter
        /// `nil` takes the highest priority first, then the oldest.
        package var sort: Sort?
        /// The runner's name; tasks that are to be tried elsewhere are left to others.
        package var host: String?

        package init(names: [String] = [], filter: Filter = .all, sort: Sort? = nil, host: String? = nil) {
            self.names = names
            self.filter = filter
            self.sort = sort
            self.host = host
        }

        package func document(project: String) -> BSONDocument {
            TaskStatements.claimFilter(project: project, names: names, filter: filter.document, host: host)
        }

        var order: BSONDocument { sort?.document ?? TaskStatements.claimOrder }
    }

    /// Makes foreign documents ours, those ready whose time has come, and those failed that waited past their deadline.
    /// Returns how many it changed.
    package func adoptAndPromote() async throws(HubError) -> Int {
        try await translatingErrors { () async throws(MongoError) in
            let now = try await clock.now()
            let horizon = BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 + 1000)
            let large = TaskStatements.failLargeFilter(project: project, ready: false)
            let promote = TaskStatements.promoteFilter(project: project, horizon: horizon)
            let expire = TaskStatements.expireFilter(project: project, horizon: horizon)
            // One message: an idle runner sends little else. Operators where they suffice: they cost less than
            // pipelines.
            let result = try await leavingRepeated(TaskStatements.adoptFilter(project: project)) {
                adopt async throws(MongoError) in
                let result = try await tasks.bulkUpdate([
                    UpdateStatement(filter: adopt, update: .pipeline(TaskStatements.adopt), multi: true),
                    UpdateStatement(filter: large, update: .document(TaskStatements.failLarge), multi: true),
                    UpdateStatement(filter: promote, update: .document(TaskStatements.promote), multi: true),
                    UpdateStatement(filter: expire, update: .document(TaskStatements.expire), multi: true),
                ])
                if let error = result.writeErrors.first(where: { Self.isRepeatedKey($0.code) }) {
                    throw MongoError(.write, error.message, serverCode: error.code, writeErrors: result.writeErrors)
                }
                return result
            }
            if let error = result.writeErrors.first {
                throw MongoError(.write, error.message, serverCode: error.code, writeErrors: result.writeErrors)
            }
            return result.matched
        }
    }

    /// What a runner must hear of: new tasks of the project, tasks that became pending again, requests to cancel. An
    /// event has `documentKey`, `foreign` (an insert that needs adopting), `cancelled` and, of an insert, `version`,
    /// never a script.
    package func watchQueue() -> ChangeStream {
        let cancelled: BSONValue = [
            "$ne": [
                ["$type": ["$getField": ["field": "hub.cancel", "input": "$updateDescription.updatedFields"]]],
                "missing",
            ]
        ]
        return tasks.watch(
            [
                [
                    "$match": [
                        "$or": [
                            ["operationType": "insert", "fullDocument.project_name": .string(project)],
                            ["updateDescription.updatedFields.status": "pending"],
                            ["operationType": "update", "$expr": cancelled],
                        ]
                    ]
                ],
                [
                    "$project": [
                        "documentKey": 1,
                        "cancelled": ["$and": [["$eq": ["$operationType", "update"]], cancelled]],
                        "foreign": [
                            "$and": [
                                ["$eq": ["$operationType", "insert"]],
                                ["$ne": [["$type": "$fullDocument.hub.ready"], "bool"]],
                            ]
                        ],
                        "version": "$fullDocument.hub.v",
                    ]
                ],
            ],
            ChangeStreamOptions(maxAwaitTime: Self.longAwait)
        )
    }

    /// Claims that task, if it can be claimed.
    package func claim(
        id: ObjectID,
        _ query: ClaimQuery,
        _ claim: TaskStatements.Claim
    ) async throws(HubError) -> TaskRecord? {
        var filter = query.document(project: project)
        filter["_id"] = .objectID(id)
        return try await claimOne(filter, sort: nil, claim)
    }

    /// What a claim got.
    package struct Claimed: Sendable {
        package var tasks: [TaskRecord]
        /// The queue held less than was asked for. Losing tasks to other runners does not count.
        package var queueIsEmpty: Bool
    }

    /// Claims up to `count` tasks, never more.
    ///
    /// - Throws: Where the outcome is unknown, ask `claimed(by:)` for the token before claiming anew.
    package func claim(
        _ count: Int,
        _ query: ClaimQuery,
        _ claim: TaskStatements.Claim
    ) async throws(HubError) -> Claimed {
        let filter = query.document(project: project)
        if count == 1 {
            let task = try await claimOne(filter, sort: query.order, claim)
            return Claimed(tasks: task.map { [$0] } ?? [], queueIsEmpty: task == nil)
        }
        var claimed = 0
        var queueIsEmpty = false
        var skip = 0
        for _ in 0..<2 {
            let wanted = count - claimed
            let candidates = try await translatingErrors { () async throws(MongoError) in
                try await tasks.findAll(
                    filter,
                    FindOptions(sort: query.order, projection: ["_id": 1], limit: wanted, skip: skip)
                )
            }
            if skip == 0 { queueIsEmpty = candidates.count < wanted }
            if candidates.isEmpty { break }
            var guarded = filter
            guarded["_id"] = ["$in": .array(candidates.compactMap { $0["_id"] })]
            var tries = 0
            var won = try await failingLarge(guarded, of: filter, sort: query.order) {
                filter async throws(MongoError) in
                tries += 1
                return try await tasks.updateMany(filter, .pipeline(claim.pipeline)).matched
            }
            // The statement that came upon a document without room, or with a key twice, has claimed those before it.
            if tries > 1 { won = try await self.claimed(by: claim.token).count - claimed }
            claimed += won
            // Some were lost to other runners: once more from a place where fewer look. Few candidates are no race.
            if won == candidates.count { break }
            skip = tries > 1 ? 0 : Int.random(in: 0..<(4 * count))
        }
        let mine = claimed == 0 ? [] : try await self.claimed(by: claim.token)
        return Claimed(tasks: mine, queueIsEmpty: queueIsEmpty)
    }

    /// Tries once more when a document at the head of the queue has no room for a lease, or a key twice, after it was
    /// failed.
    private func failingLarge<Value>(
        _ filter: BSONDocument,
        of queue: BSONDocument? = nil,
        sort: BSONDocument? = nil,
        _ claim: (BSONDocument) async throws(MongoError) -> Value
    ) async throws(HubError) -> Value {
        try await translatingErrors { () async throws(MongoError) in
            do throws(MongoError) {
                return try await leavingRepeated(filter, of: queue, sort: sort, claim)
            } catch {
                guard Self.isTooLarge(error.serverCode ?? error.writeErrors.first?.code) else { throw error }
                _ = try await tasks.updateMany(
                    TaskStatements.failLargeFilter(project: project, ready: true),
                    .document(TaskStatements.failLarge)
                )
                return try await leavingRepeated(filter, of: queue, sort: sort, claim)
            }
        }
    }

    /// BSONObjectTooLarge, and what an update says of a document that grew too large.
    static func isTooLarge(_ code: Int?) -> Bool { code == 10334 || code == 17419 || code == 17420 }

    /// The tasks that a claim with that token got and that still run.
    package func claimed(by token: ObjectID) async throws(HubError) -> [TaskRecord] {
        try await translatingErrors { () async throws(MongoError) in
            try await tasks.findAll(["hub.lease.token": .objectID(token), "status": "running"]).map(TaskRecord.init)
        }
    }

    private func claimOne(
        _ filter: BSONDocument,
        sort: BSONDocument?,
        _ claim: TaskStatements.Claim
    ) async throws(HubError) -> TaskRecord? {
        try await failingLarge(filter, sort: sort) { filter async throws(MongoError) in
            try await tasks.findAndModify(filter, .pipeline(claim.pipeline), sort: sort).map(TaskRecord.init)
        }
    }

    /// What a renewal found.
    package struct Renewal: Sendable {
        /// Attempts that are no longer this runner's: another attempt exists, or the task is gone or ended.
        package var lost: Set<ObjectID>
        /// Tasks that somebody wants cancelled.
        package var cancelled: Set<ObjectID>
    }

    /// Renews the leases of a runner, all in one statement, and looks for requests to cancel.
    package func renew(
        _ attempts: [ObjectID: Int],
        runner: ObjectID,
        lease: Duration
    ) async throws(HubError) -> Renewal {
        let ids: BSONValue = ["$in": .array(attempts.keys.map(BSONValue.objectID))]
        _ = try await translatingErrors { () async throws(MongoError) in
            let mine: BSONDocument = ["status": "running", "hub.lease.runner": .objectID(runner), "_id": ids]
            return try await leavingRepeated(mine) { filter async throws(MongoError) in
                try await tasks.updateMany(filter, .pipeline(TaskStatements.renew(lease)))
            }
        }
        return try await inspect(attempts, runner: runner)
    }

    /// Looks which attempts are still this runner's and which are to be cancelled.
    package func inspect(_ attempts: [ObjectID: Int], runner: ObjectID) async throws(HubError) -> Renewal {
        let ids: BSONValue = ["$in": .array(attempts.keys.map(BSONValue.objectID))]
        let options = FindOptions(projection: ["status": 1, "hub.attempt": 1, "hub.lease": 1, "hub.cancel": 1])
        let found = try await translatingErrors { () async throws(MongoError) in
            try await tasks.findAll(["_id": ids], options).map(TaskRecord.init)
        }
        var renewal = Renewal(lost: Set(attempts.keys), cancelled: [])
        for task in found {
            guard let id = task.id, task.status == .running, task.attempt == attempts[id],
                task.lease?.runner == runner
            else { continue }
            renewal.lost.remove(id)
            if task.cancelRequested { renewal.cancelled.insert(id) }
        }
        return renewal
    }

    /// What became of the report of an attempt's end.
    package enum ReportOutcome: Sendable, Equatable {
        /// The task has it.
        case accepted
        /// Another attempt exists, or the task was ended otherwise: it does not count.
        case leaseLost
        /// MongoDB cannot store it, a result that is too large: report a failure instead.
        case refused(String)
    }

    /// Reports how attempts ended, all in one statement. Safe to repeat: a report that was accepted stays accepted.
    ///
    /// - Throws: Where MongoDB cannot be reached; report again.
    package func report(_ ends: [AttemptEnd], runner: ObjectID) async throws(HubError) -> [ReportOutcome] {
        let statements = ends.map {
            UpdateStatement(
                filter: TaskStatements.fence($0.taskID, attempt: $0.attempt, runner: runner),
                update: .pipeline(TaskStatements.end($0))
            )
        }
        let result = try await translatingErrors { () async throws(MongoError) in
            try await tasks.bulkUpdate(statements)
        }
        var outcomes = [ReportOutcome](repeating: .accepted, count: ends.count)
        if result.matched == ends.count { return outcomes }
        // Somebody has written the task anew while it ran.
        let repeated = result.writeErrors.filter { Self.isRepeatedKey($0.code) }.map { ends[$0.index] }
        if !repeated.isEmpty { try await putAsideRepeated(repeated, runner: runner) }
        for error in result.writeErrors where !Self.isRepeatedKey(error.code) {
            // DocumentValidationFailure is a schema of the administrator's. Any other code may pass when repeated.
            guard Self.isTooLarge(error.code) || error.code == 121 else {
                throw HubError(.database, "MongoDB does not take the end of an attempt: \(error.message)")
            }
            outcomes[error.index] = .refused(error.message)
        }
        let unsure = ends.indices.filter { outcomes[$0] == .accepted }
        let ids = unsure.map { BSONValue.objectID(ends[$0].taskID) }
        let found = try await translatingErrors { () async throws(MongoError) in
            try await tasks.findAll(["_id": ["$in": .array(ids)]], FindOptions(projection: ["hub.history": 1]))
        }
        let histories = Dictionary(
            found.map(TaskRecord.init).compactMap { task in task.id.map { ($0, task.history) } },
            uniquingKeysWith: { first, _ in first }
        )
        for index in unsure {
            let end = ends[index]
            let isRecorded = histories[end.taskID]?.contains {
                // A rescue has closed the entry too, in other words than ours.
                $0.attempt == end.attempt && $0.runner == runner && $0.end != nil && $0.cause == end.cause
                    && $0.exit == end.exit.map(Int.init)
            }
            if isRecorded != true { outcomes[index] = .leaseLost }
        }
        return outcomes
    }
}
