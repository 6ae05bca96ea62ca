public import BSON
import MongoDriver

extension Hub {
    /// What a listing leaves out unless asked: the script and the files can be megabytes each.
    static let listingProjection: BSONDocument = ["script": 0, "hub.files": 0]

    /// The tasks of a selection, without their scripts and files.
    ///
    /// - Parameters:
    ///   - sort: Oldest first unless given.
    ///   - limit: At most so many; `nil` means all.
    public func findTasks(
        _ selection: TaskSelection = .all,
        sort: Sort = .oldest,
        limit: Int? = nil
    ) async throws(HubError) -> [TaskRecord] {
        try await findTasks(selection, sort: sort, limit: limit, projection: Self.listingProjection)
    }

    /// The tasks that match a filter, such as `"hyper_parameters.lr" > 0.1`.
    public func findTasks(_ filter: Filter, sort: Sort = .oldest, limit: Int? = nil) async throws(HubError)
        -> [TaskRecord]
    {
        try await findTasks(TaskSelection(filter: filter), sort: sort, limit: limit)
    }

    /// One task, whole: script and files too.
    ///
    /// - Throws: `HubError.notFound`.
    public func task(_ id: ObjectID) async throws(HubError) -> TaskRecord {
        let filter = TaskSelection.ids([id]).document(project: project)
        let found = try await translatingErrors { () async throws(MongoError) in try await tasks.findOne(filter) }
        guard let found else {
            throw HubError(.notFound, "no task \(id) in project '\(project)' of database '\(database.name)'")
        }
        return TaskRecord(found)
    }

    /// Whether any task of the selection is pending or running.
    ///
    /// TensorLayer: `check_unfinished_task`.
    public func hasUnfinishedTasks(_ selection: TaskSelection = .all) async throws(HubError) -> Bool {
        try await expectIndexes()
        let filter = unfinishedFilter(selection)
        return try await translatingErrors { () async throws(MongoError) in
            try await tasks.findOne(filter, FindOptions(projection: ["_id": 1])) != nil
        }
    }

    /// How many tasks of the selection are in each state.
    public func countTasks(_ selection: TaskSelection = .all) async throws(HubError) -> [TaskStatus: Int] {
        let pipeline: [BSONDocument] = [
            ["$match": .document(selection.document(project: project))],
            ["$group": ["_id": "$status", "count": ["$sum": 1]]],
        ]
        let groups = try await translatingErrors { () async throws(MongoError) in try await tasks.aggregateAll(pipeline)
        }
        var counts: [TaskStatus: Int] = [:]
        for group in groups {
            counts[TaskStatus(rawValue: group["_id"]?.stringValue ?? ""), default: 0] += group["count"]?.intValue ?? 0
        }
        return counts
    }

    package func findTasks(
        _ selection: TaskSelection,
        sort: Sort,
        limit: Int?,
        projection: BSONDocument
    ) async throws(HubError) -> [TaskRecord] {
        if let limit, limit < 1 { throw .invalid("limit", "limit is \(limit); it must be at least 1") }
        let filter = selection.document(project: project)
        let options = FindOptions(sort: sort.document, projection: projection, limit: limit)
        let found = try await translatingErrors { () async throws(MongoError) in
            try await tasks.findRanked(filter, by: sort, plain: Self.plainTaskFields, options)
        }
        if !found.isEmpty { for field in sort.document.keys { try await checkTag(field, selection) } }
        return found.map(TaskRecord.init)
    }

    /// What every task has, with values of one type.
    private static let plainTaskFields = ["time", "task_name", "project_name", "status", "hub"]
    static let hubFields: [ByteString] = [
        "hub.priority", "hub.attempt", "hub.failures", "hub.interruptions", "hub.lost", "hub.started", "hub.ended",
        "hub.not_before", "hub.deadline", "hub.ready", "hub.hold", "hub.max_failures",
    ]

    /// Whether every task has it, or may have it by itself.
    static func isKnownField(_ path: String) -> Bool {
        plainTaskFields.hasBytes(of: path) || hubFields.contains(path.bytes) || path.bytes == "_id"
    }

    /// - Throws: `HubError.invalidInput` of field `sort` for a tag that no task of the selection has. Results and
    ///   hyper-parameters may be to come.
    private func checkTag(_ field: String, _ selection: TaskSelection) async throws(HubError) {
        let isKnown = Self.isKnownField(field)
        let mayCome =
            ["result.", "hyper_parameters."].contains { field.bytes.hasPrefix($0) } || field.bytes.hasPrefix("$")
        if isKnown || mayCome { return }
        let any = (Filter(selection.document(project: project)) && FieldPath(field).exists()).document
        let isThere = try await translatingErrors { () async throws(MongoError) in
            try await tasks.findOne(any, FindOptions(projection: ["_id": 1])) != nil
        }
        if isThere { return }
        let names = Self.hubFields.compactMap { $0.dropping("hub.") }
        let bare = field.bytes.dropping("hub.") ?? field
        let near = (names.hasBytes(of: bare) ? [bare] : NearNames.of(bare, among: names)).map { "hub.\($0)" }
        var error = HubError.invalid(
            "sort",
            "sort: no task that matches has a field '\(field)'; "
                + (near.isEmpty
                    ? "results are 'result.NAME', hyper-parameters 'hyper_parameters.NAME'"
                    : "did you mean '\(near[0])'?")
        )
        error.suggestions = near
        throw error
    }

    /// Both unfinished states at once, so that the index answers with the first key it meets.
    func unfinishedFilter(_ selection: TaskSelection) -> BSONDocument {
        var document = selection.document(project: project)
        let unfinished: BSONValue = ["$in": [.string("pending"), .string("running")]]
        if selection.statuses.isEmpty {
            document.append("status", unfinished)
        } else {
            let both = TaskSelection(
                ids: selection.ids,
                names: selection.names,
                filter: selection.filter && Filter(["status": document["status"] ?? .null])
            )
            document = both.document(project: project)
            document.append("status", unfinished)
        }
        return document
    }
}
