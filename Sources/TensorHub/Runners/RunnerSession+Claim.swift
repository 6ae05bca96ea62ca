package import BSON
import MongoDriver

/// From pending to running.
extension RunnerSession {
    /// Claims that task, if it can be claimed.
    package func claim(
        id: ObjectID,
        _ query: ClaimQuery = ClaimQuery(),
        token: ObjectID = ObjectID()
    ) async throws(HubError) -> TaskRecord? {
        var filter = filter(query)
        filter["_id"] = .objectID(id)
        return try await claimOne(filter, sort: nil, token)
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
        _ query: ClaimQuery = ClaimQuery(),
        token: ObjectID = ObjectID()
    ) async throws(HubError) -> Claimed {
        let filter = filter(query)
        if count == 1 {
            let task = try await claimOne(filter, sort: query.order, token)
            return Claimed(tasks: task.map { [$0] } ?? [], queueIsEmpty: task == nil)
        }
        var claimed = 0
        var queueIsEmpty = false
        var skip = 0
        for _ in 0..<2 {
            let wanted = count - claimed
            let candidates = try await translatingErrors { () async throws(MongoError) in
                try await hub.tasks.findAll(
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
                return try await hub.tasks.updateMany(filter, .pipeline(claim(token))).matched
            }
            // The statement that came upon a document without room, or with a key twice, has claimed those before it.
            if tries > 1 { won = try await self.claimed(by: token).count - claimed }
            claimed += won
            // Some were lost to other runners: once more from a place where fewer look. Few candidates are no race.
            if won == candidates.count { break }
            skip = tries > 1 ? 0 : Int.random(in: 0..<(4 * count))
        }
        let mine = claimed == 0 ? [] : try await self.claimed(by: token)
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
                return try await hub.leavingRepeated(filter, of: queue, sort: sort, claim)
            } catch {
                guard Self.isTooLarge(error.serverCode ?? error.writeErrors.first?.code) else { throw error }
                _ = try await hub.tasks.updateMany(
                    TaskStatements.failLargeFilter(project: hub.project, ready: true),
                    .document(TaskStatements.failLarge)
                )
                return try await hub.leavingRepeated(filter, of: queue, sort: sort, claim)
            }
        }
    }

    private func claim(_ token: ObjectID) -> [BSONDocument] {
        TaskStatements.claim(runner: runner, token: token, name: name, machine: machine, lease: lease)
    }

    /// BSONObjectTooLarge, and what an update says of a document that grew too large.
    static func isTooLarge(_ code: Int?) -> Bool { code == 10334 || code == 17419 || code == 17420 }

    /// The tasks that a claim with that token got and that still run.
    package func claimed(by token: ObjectID) async throws(HubError) -> [TaskRecord] {
        try await translatingErrors { () async throws(MongoError) in
            try await hub.tasks.findAll(["hub.lease.token": .objectID(token), "status": "running"]).map(TaskRecord.init)
        }
    }

    private func claimOne(
        _ filter: BSONDocument,
        sort: BSONDocument?,
        _ token: ObjectID
    ) async throws(HubError) -> TaskRecord? {
        try await failingLarge(filter, sort: sort) { filter async throws(MongoError) in
            try await hub.tasks.findAndModify(filter, .pipeline(claim(token)), sort: sort).map(TaskRecord.init)
        }
    }

    /// After MongoDB has gone away under a claim: what that would have met, and would meet again, is looked at.
    package func putAsideRepeated(_ query: ClaimQuery) async throws(HubError) {
        _ = try await translatingErrors { () async throws(MongoError) in
            try await hub.putAside(filter(query), sort: query.order)
        }
    }
}
