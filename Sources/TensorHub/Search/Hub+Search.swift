import BSON
import MongoDriver

extension Hub {
    /// How long a search goes on, unless the caller says otherwise: people wait for it.
    public static let searchTime: Duration = .milliseconds(800)
    /// How many tasks are looked at by one statement: what it has found stays found when the time runs out.
    private static let searchedAtOnce = 5000

    /// Looks through data sets, models and tasks for those that match, and gives the newest of all three.
    ///
    /// Words and comparisons have no index, so the newest are looked at first, and the search ends with its time. A
    /// condition that is about tasks alone, such as `state:failed`, leaves data sets and models out, and so on.
    ///
    /// - Parameters:
    ///   - limit: At most so many.
    ///   - time: No further tasks are looked at once it has passed. However short it is, data sets, models and the
    ///     newest tasks are asked for once, for a second each at most: a small hub is searched on a busy machine too.
    /// - Throws: `HubError.invalidInput` for conditions that nothing can meet: `state:failed architecture.layers=3`.
    public func find(
        _ filter: ShortFilter,
        limit: Int = 20,
        within time: Duration = Hub.searchTime
    ) async throws(HubError) -> Findings {
        try await find(filter, limit: limit, within: time, atOnce: Self.searchedAtOnce)
    }

    func find(
        _ filter: ShortFilter,
        limit: Int,
        within time: Duration,
        atOnce piece: Int
    ) async throws(HubError) -> Findings {
        if limit < 1 { throw .invalid("limit", "limit is \(limit); it must be at least 1") }
        let filter = try await filter.resolved(by: self)
        let dataSets = try filter.filterIfAny(for: .dataSets)
        let models = try filter.filterIfAny(for: .models)
        let tasks = try filter.filterIfAny(for: .tasks)
        if dataSets == nil, models == nil, tasks == nil {
            throw filter.conditions[0].name.fault(
                "neither tasks nor data sets nor models have all of what the conditions are about; leave one out"
            )
        }
        var search = Search(hub: self, most: limit + 1, deadline: ContinuousClock.now + time)
        if let dataSets { try await search.look(for: dataSets, in: .dataSets, as: .dataSet) }
        if let models { try await search.look(for: models, in: .models, as: .model) }
        if let tasks { try await search.look(forTasks: tasks, atOnce: piece) }
        return search.findings(limit: limit)
    }
}

/// A search under way.
private struct Search {
    /// What one statement may take at least.
    private static let least: Duration = .seconds(1)

    let hub: Hub
    /// How many of one kind are enough.
    let most: Int
    let deadline: ContinuousClock.Instant
    private var found: [Finding] = []
    private var isCut = false

    init(hub: Hub, most: Int, deadline: ContinuousClock.Instant) {
        self.hub = hub
        self.most = most
        self.deadline = deadline
    }

    func findings(limit: Int) -> Findings {
        // Stable: those of one kind and one time keep the server's order.
        let order = found.enumerated().sorted { a, b in
            let times = [a, b].map { $0.element.time?.millisecondsSince1970 ?? .min }
            return times[0] == times[1] ? a.offset < b.offset : times[0] > times[1]
        }
        return Findings(
            found: order.prefix(limit).map(\.element),
            hasMore: found.count > limit,
            isCut: isCut
        )
    }

    private var rest: Duration { ContinuousClock.now.duration(to: deadline) }

    /// Runs a statement; `nil` where its time is not enough.
    private mutating func timed<Value>(
        _ body: (Duration) async throws(MongoError) -> Value
    ) async throws(HubError) -> Value? {
        let limit = max(Self.least, rest)
        do {
            return try await translatingErrors { () async throws(MongoError) in try await body(limit) }
        } catch  where error.code == .tooSlow {
            isCut = true
            return nil
        }
    }

    mutating func look(for filter: Filter, in collection: ContentCollection, as kind: Finding.Kind)
        async throws(HubError)
    {
        let document = collection.filter(ContentQuery(filter: filter), project: hub.project)
        let (source, limit) = (hub.collection(collection), most)
        let documents = try await timed { (rest) async throws(MongoError) in
            let options = FindOptions(
                sort: Sort.newest.document,
                projection: ["hub.files": 0],
                limit: limit,
                maxTime: rest
            )
            return try await source.findAll(document, options)
        }
        found += (documents ?? []).map { Finding(kind: kind, document: $0) }
    }

    /// Among few tasks the server chooses an index. Many are gone through by `_id`, from the newest on and in pieces;
    /// tasks whose `_id` another program has made of something else than an `ObjectID` are left out then.
    mutating func look(forTasks filter: Filter, atOnce piece: Int) async throws(HubError) {
        let document = TaskSelection(filter: filter).document(project: hub.project)
        let (tasks, limit) = (hub.tasks, most)
        let counted = try await timed { (_) async throws(MongoError) in
            try await tasks.countDocuments(["project_name": document["project_name"] ?? .null], limit: piece + 1)
        }
        guard let counted else { return }
        if counted <= piece {
            let documents = try await timed { (rest) async throws(MongoError) in
                try await tasks.findAll(document, Self.options(limit, rest))
            }
            found += (documents ?? []).map { Finding(kind: .task, document: $0) }
            return
        }
        var place: BSONDocument = ["$type": "objectId"]
        var left = limit
        while left > 0 {
            let behind = place
            let bound = try await timed { (rest) async throws(MongoError) in
                try await tasks.findOne(
                    ["_id": .document(behind)],
                    FindOptions(
                        sort: ["_id": -1],
                        projection: ["_id": 1],
                        skip: piece - 1,
                        hint: .keys(["_id": 1]),
                        maxTime: rest
                    )
                )
            }
            guard let bound else { return }
            if let last = bound?["_id"] { place["$gte"] = last }
            let (within, wanted) = (place, left)
            let documents = try await timed { (rest) async throws(MongoError) in
                var options = Self.options(wanted, rest)
                options.hint = .keys(["_id": 1])
                return try await tasks.findAll(["$and": [["_id": .document(within)], .document(document)]], options)
            }
            guard let documents else { return }
            found += documents.map { Finding(kind: .task, document: $0) }
            left -= documents.count
            guard let last = bound?["_id"] else { return }
            if left > 0, rest <= .zero {
                isCut = true
                return
            }
            place = ["$type": "objectId", "$lt": last]
        }
    }

    private static func options(_ limit: Int, _ rest: Duration) -> FindOptions {
        FindOptions(sort: ["_id": -1], projection: Hub.listingProjection, limit: limit, maxTime: rest)
    }
}
