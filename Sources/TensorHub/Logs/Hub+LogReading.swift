public import BSON
import MongoDriver

extension Hub {
    /// The entries that match, in one go; `forEachLog` is for those that do not fit into memory.
    ///
    /// - Parameters:
    ///   - sort: Oldest first unless given.
    ///   - limit: At most so many; `nil` means all.
    ///   - skip: Leaves out so many of the first.
    /// - Throws: `HubError.invalidInput` for a limit below 1 or a skip below 0.
    public func logs(
        _ kind: LogKind,
        _ filter: Filter = .all,
        sort: Sort? = nil,
        limit: Int? = nil,
        skip: Int? = nil
    ) async throws(HubError) -> [LogEntry] {
        let reader = try await logReader(kind, filter, sort: sort, limit: limit, skip: skip)
        var entries: [LogEntry] = []
        while true {
            let batch = try await reader.batch()
            if batch.isEmpty { return entries }
            entries += batch
        }
    }

    /// Lends the entries that match one after the other, with constant memory whatever their number.
    ///
    /// - Parameter fields: These fields alone, and `_id`, `time` and `hub`; empty for all.
    /// - Throws: As `logs`; whatever `body` throws.
    public func forEachLog(
        _ kind: LogKind,
        _ filter: Filter = .all,
        sort: Sort? = nil,
        limit: Int? = nil,
        skip: Int? = nil,
        fields: [String] = [],
        _ body: (LogEntry) throws -> Void
    ) async throws {
        let reader = try await logReader(kind, filter, sort: sort, limit: limit, skip: skip, fields: fields)
        while true {
            let batch = try await reader.batch()
            if batch.isEmpty { return }
            for entry in batch { try body(entry) }
        }
    }

    /// The entries that match, to be read one by one while they are passed on. Sent when the first is asked for.
    ///
    /// - Throws: As `logs`.
    package func logReader(
        _ kind: LogKind,
        _ filter: Filter = .all,
        sort: Sort? = nil,
        limit: Int? = nil,
        skip: Int? = nil,
        fields: [String] = []
    ) async throws(HubError) -> LogReader {
        var options = try Self.logOptions(sort: sort, limit: limit, skip: skip)
        if !fields.isEmpty {
            options.projection = BSONDocument(elements: (fields + ["time", "hub"]).uniqueByBytes().map { ($0, 1) })
        }
        try await expectLogIndexes(kind)
        try await checkLogSort(kind, filter, sort)
        let collection = logCollection(kind)
        guard let field = sort?.rankedField(plain: ["time", "project_name", "hub"]) else {
            return LogReader([collection.find(logFilter(filter), options)])
        }
        var cursors: [MongoCursor] = []
        for rank in Sort.ranks(field) {
            let part = logFilter(filter && rank)
            if let skip = options.skip, skip > 0 {
                let count = try await translatingErrors { () async throws(MongoError) in
                    try await collection.countDocuments(part)
                }
                options.skip = max(0, skip - count)
                if count <= skip { continue }
                var rest = options
                rest.skip = skip
                cursors.append(collection.find(part, rest))
            } else {
                cursors.append(collection.find(part, options))
            }
        }
        return LogReader(cursors, limit: limit)
    }

    /// How many entries match.
    public func countLogs(_ kind: LogKind, _ filter: Filter = .all) async throws(HubError) -> Int {
        try await expectLogIndexes(kind)
        return try await translatingErrors { () async throws(MongoError) in
            try await logCollection(kind).countDocuments(logFilter(filter))
        }
    }

    /// The names of the values that the newest of the entries that match have, sorted; not those of TensorHub's own.
    ///
    /// - Parameter newest: How many entries it looks at.
    public func logFieldNames(
        _ kind: LogKind,
        _ filter: Filter = .all,
        newest: Int = 10_000
    ) async throws(HubError) -> [String] {
        if newest < 1 { throw .invalid("newest", "newest is \(newest); it must be at least 1") }
        try await expectLogIndexes(kind)
        let pipeline: [BSONDocument] = [
            ["$match": .document(logFilter(filter))],
            ["$sort": .document(Sort.newest.document)],
            ["$limit": .int64(Int64(newest))],
            ["$project": ["field": ["$objectToArray": "$$ROOT"]]],
            ["$unwind": "$field"],
            ["$group": ["_id": "$field.k"]],
        ]
        let groups = try await translatingErrors { () async throws(MongoError) in
            try await logCollection(kind).aggregateAll(pipeline)
        }
        return groups.compactMap { $0["_id"]?.stringValue?.bytes }.filter { !LogEntry.reservedNames.contains($0) }
            .sorted().map(\.text)
    }

    /// An order by what no entry has would be no order, and nobody would notice.
    private func checkLogSort(_ kind: LogKind, _ filter: Filter, _ sort: Sort?) async throws(HubError) {
        guard let sort, sort != .newest, sort != .oldest else { return }
        for (field, direction) in sort.document where !LogEntry.reservedNames.contains(field.bytes) && field != "_id" {
            // `$natural` and what is ordered by `$meta` are no fields.
            if field.bytes.hasPrefix("$") || direction.documentValue != nil { continue }
            if try await hasLog(kind, filter && ContentQuery.ranked(field)) { continue }
            guard try await hasLog(kind, filter) else { return }
            let names = try await logFieldNames(kind, filter) + ["time"]
            let near = NearNames.of(field, among: names)
            let quoted = (near.isEmpty ? Array(names.prefix(20)) : near).map { "'\($0)'" }.joined(separator: ", ")
            var error = HubError.invalid(
                "sort",
                "sort: no log entry that matches has a value in '\(field)'; "
                    + (near.isEmpty ? "they have \(quoted)" : "did you mean \(quoted)?")
            )
            error.suggestions = near
            throw error
        }
    }

    private func hasLog(_ kind: LogKind, _ filter: Filter) async throws(HubError) -> Bool {
        try await translatingErrors { () async throws(MongoError) in
            try await logCollection(kind).findOne(logFilter(filter), FindOptions(projection: ["_id": 1])) != nil
        }
    }

    static func logOptions(sort: Sort?, limit: Int?, skip: Int?) throws(HubError) -> FindOptions {
        if let limit, limit < 1 { throw .invalid("limit", "limit is \(limit); it must be at least 1") }
        if let skip, skip < 0 { throw .invalid("skip", "skip is \(skip); it must be at least 0") }
        if let sort, sort.document.isEmpty {
            throw .invalid("sort", "sort is empty; name a field, such as 'step:1', or leave it out")
        }
        return FindOptions(sort: (sort ?? .oldest).total.document, limit: limit, skip: skip)
    }
}

extension Filter {
    /// Entries of these tasks. None at all matches nothing: an empty list must never become every entry.
    public static func tasks(_ ids: [ObjectID]) -> Filter {
        Filter(["hub.task": TaskSelection.oneOf(ids.map(BSONValue.objectID))])
    }
}

extension Sort {
    /// The same order, and by `_id` among equals: what is cut off in it can be gone on with.
    var total: Sort {
        guard document["_id"] == nil, let last = document.keys.last, let direction = document[last]?.intValue,
            !last.bytes.hasPrefix("$")
        else { return self }
        return then(Sort(["_id": direction < 0 ? -1 : 1]))
    }
}
