package import BSON
import MongoDriver

/// Tasks whose runner is gone: any runner may return them to the queue, at any time.
extension RunnerSession {
    /// Running tasks whose lease has expired, by the server's clock, and when it did; at most 1,000.
    package func expiredLeases() async throws(HubError) -> [ObjectID: BSONDateTime] {
        try await translatingErrors { () async throws(MongoError) in
            var filter = TaskStatements.rescueFilter(project: hub.project, horizon: try await rescueHorizon())
            // Any other is not a runner's, and must not take the place of one that is.
            filter.append("_id", ["$type": "objectId"])
            let options = FindOptions(projection: ["hub.lease.expires": 1], limit: 1000)
            let found = try await hub.tasks.findAll(filter, options)
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
            var filter = TaskStatements.rescueFilter(project: hub.project, horizon: horizon, overdue: overdue)
            if let ids { filter.append("_id", ["$in": .array(ids.map(BSONValue.objectID))]) }
            func rescue() async throws(MongoError) -> Int {
                try await hub.leavingRepeated(filter) { filter async throws(MongoError) in
                    try await hub.tasks.updateMany(filter, .pipeline(TaskStatements.rescue)).matched
                }
            }
            do throws(MongoError) {
                return try await rescue()
            } catch {
                guard Self.isTooLarge(error.serverCode ?? error.writeErrors.first?.code) else { throw error }
                let large = try await hub.tasks.updateMany(
                    TaskStatements.rescueLargeFilter(filter),
                    .pipeline(TaskStatements.guarded(TaskStatements.failMinimally))
                )
                return large.matched + (try await rescue())
            }
        }
    }

    /// Bounds the scan of the index; the server's own clock decides.
    private func rescueHorizon() async throws(MongoError) -> BSONDateTime {
        let now = try await hub.clock.now()
        return BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 + 1000)
    }

    /// Returns tasks that run without a lease, as under TensorLayer's own runners, to the queue, that long after
    /// somebody first called this while they did. Returns how many.
    @discardableResult
    package func rescueUnleased(after limit: Duration) async throws(HubError) -> Int {
        try await translatingErrors { () async throws(MongoError) in
            let due = TaskStatements.rescueUnleasedFilter(project: hub.project, after: limit)
            let rescued = try await hub.leavingRepeated(due) { filter async throws(MongoError) in
                try await hub.tasks.updateMany(filter, .pipeline(TaskStatements.rescueUnleased)).matched
            }
            // Another runner's tasks: one with a key twice is left to it.
            let new = TaskStatements.markUnleasedFilter(project: hub.project)
            _ = try await hub.leavingRepeated(new, as: nil) { filter async throws(MongoError) in
                try await hub.tasks.updateMany(filter, .pipeline(TaskStatements.markUnleased))
            }
            return rescued
        }
    }
}
