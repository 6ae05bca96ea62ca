import BSON
import MongoDriver

extension Hub {
    /// Lends entries that are there, oldest first, and then every new one as it arrives, until the task is cancelled or
    /// `body` throws.
    ///
    /// Woken by a change stream; on a standalone server, which has none, by looking once a second. Entries come in the
    /// order in which the server got them: those of a runner that was cut off come late, with the times at which they
    /// were made. MongoDB may be away in between: what was written meanwhile follows, unless its oplog has forgotten
    /// it.
    ///
    /// - Parameters:
    ///   - newest: How many of those that are there come first; `nil` for all, 0 for none.
    ///   - onInterruption: Called when MongoDB goes away.
    /// - Throws: `CancellationError`; what MongoDB says about a filter that it cannot use; whatever `body` throws.
    public func followLogs(
        _ kind: LogKind,
        _ filter: Filter = .all,
        newest: Int? = nil,
        onInterruption: ((HubError) -> Void)? = nil,
        _ body: (LogEntry) throws -> Void
    ) async throws {
        if let newest, newest < 0 { throw HubError.invalid("newest", "newest is \(newest); it must be at least 0") }
        try await expectLogIndexes(kind)
        let arrivals = LogArrivals(collection: logCollection(kind), project: project)
        /// What was shown of those that are there; `nil` once all of them were.
        var beginning: FollowedBeginning? = FollowedBeginning()
        var isAway = false
        while true {
            do {
                // The arrivals first: what comes while the rest is read is not missed.
                try await translatingErrors { () async throws(MongoError) in try await arrivals.open() }
                if let rest = beginning?.rest(of: filter) {
                    try await readForFollowing(kind, rest, newest: newest) { entry in
                        guard beginning?.show(entry) == true else { return }
                        if let id = entry.document["_id"] { arrivals.know(id) }
                        isAway = false
                        try body(entry)
                    }
                    beginning = nil
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
                    group.addTask { try await arrivals.collect(wake) }
                    defer { group.cancelAll() }
                    wake.yield()
                    for await _ in wakes {
                        while let ids = arrivals.waiting {
                            let found = try await logs(kind, Filter(["_id": ["$in": .array(ids)]]) && filter)
                            arrivals.drop(ids.count)
                            isAway = false
                            for entry in found { try body(entry) }
                        }
                    }
                    try await group.waitForAll()
                }
                try Task.checkCancellation()
            } catch let error as HubError where error.isTransient {
                if !isAway { onInterruption?(error) }
                isAway = true
                try await Task.sleep(for: LogArrivals.poll)
            }
        }
    }

    private func readForFollowing(
        _ kind: LogKind,
        _ filter: Filter,
        newest: Int?,
        _ body: (LogEntry) throws -> Void
    ) async throws {
        guard let newest else { return try await forEachLog(kind, filter, body) }
        if newest == 0 { return }
        for entry in try await logs(kind, filter, sort: .newest, limit: newest).reversed() { try body(entry) }
    }
}

/// How far the reading of the entries that are there has come: when MongoDB goes away meanwhile, it goes on from there.
private struct FollowedBeginning {
    private var last: BSONDateTime?
    private var shown = RecentIDs(capacity: LogArrivals.remembered)

    /// - Returns: Whether the entry was not shown yet.
    mutating func show(_ entry: LogEntry) -> Bool {
        if let id = entry.document["_id"], !shown.insert(id) { return false }
        last = entry.time
        return true
    }

    /// Entries come in the order of their times: the older ones need not be read again.
    func rest(of filter: Filter) -> Filter {
        last.map { filter && Filter(["time": ["$gte": .dateTime($0)]]) } ?? filter
    }
}
