public import BSON
import MongoDriver

/// Changing what is said of tasks that are there.
extension Hub {
    /// Changes the options of pending tasks, each as the closure does it; others are left alone. All are checked before
    /// the first is changed, and one that is claimed meanwhile stays as it was.
    ///
    /// Files and the hold cannot be changed so: for the one there is `rerun`, for the other `holdTasks`.
    ///
    /// - Returns: How many pending tasks the selection has; nothing is written of those that are as they should be.
    /// - Throws: `HubError.invalidInput` that names the option; nothing was changed.
    @discardableResult
    public func setOptions(
        of selection: TaskSelection,
        _ set: (inout TaskOptions) throws(HubError) -> Void
    ) async throws(HubError) -> Int {
        try await ensureIndexes()
        var pending = selection
        pending.filter = selection.filter && Filter(["status": "pending", "hub.v": TaskStatements.known])
        let found = try await findTasks(
            pending,
            sort: .oldest,
            limit: nil,
            projection: ["hyper_parameters": 1, "hub": 1]
        )
        var groups: [BSONDocument: [ObjectID]] = [:]
        for task in found {
            guard let id = task.id, let changes = try OptionChanges(of: task, set) else { continue }
            groups[changes.document, default: []].append(id)
        }
        for (changes, ids) in groups {
            for piece in ids.pieces(of: 10_000) {
                let filter = Self.sound([
                    "$and": [
                        .document(TaskSelection.ids(piece).document(project: project)),
                        ["status": "pending", "hub.v": TaskStatements.known],
                    ]
                ])
                let pipeline = TaskStatements.set(changes)
                _ = try await translatingErrors { () async throws(MongoError) in
                    try await tasks.updateMany(filter, again: filter, .pipeline(pipeline))
                }
            }
        }
        return found.count
    }

    /// Changes options of pending tasks as `setOptions` does, and tags of any as `setTags`. Both are checked first.
    ///
    /// - Parameter set: `nil` changes no option.
    /// - Returns: How many tasks the selection has of those that take the change.
    /// - Throws: `HubError.invalidInput`; nothing was changed.
    @discardableResult
    public func setTasks(
        _ selection: TaskSelection,
        options set: ((inout TaskOptions) throws(HubError) -> Void)? = nil,
        tags: BSONDocument = [:],
        removing removed: [String] = []
    ) async throws(HubError) -> Int {
        let hasTags = !tags.isEmpty || !removed.isEmpty
        if set == nil, !hasTags {
            throw .invalid("options", "nothing is to be set; give an option such as priority, or tags")
        }
        try Self.validate(tags: tags, removing: removed)
        let count = if let set { try await setOptions(of: selection, set) } else { 0 }
        return hasTags ? max(count, try await setTags(tags, of: selection, removing: removed)) : count
    }

    /// Creates another task that is that one once more, with these changes: see `TaskSpec.init(again:)`.
    ///
    /// - Parameters:
    ///   - name: In place of its name.
    ///   - hyperParameters: Merged over its own, as `tags` are.
    ///   - account: Whose submit it is.
    /// - Throws: `HubError.notFound`; `.invalidInput` that names what cannot be.
    @discardableResult
    public func rerunTask(
        _ id: ObjectID,
        name: String? = nil,
        hyperParameters: BSONDocument = [:],
        tags: BSONDocument = [:],
        by account: String? = nil,
        options set: (inout TaskOptions) throws(HubError) -> Void = { _ in }
    ) async throws(HubError) -> CreatedTask {
        var spec = try TaskSpec(again: try await task(id))
        spec.hyperParameters = spec.hyperParameters.merging(hyperParameters)
        spec.tags = spec.tags.merging(tags)
        if let name { spec.name = name }
        try set(&spec.options)
        return try await submitTasks([spec], by: account)[0]
    }

    private static func validate(tags: BSONDocument, removing removed: [String]) throws(HubError) {
        try TaskSpec.validate(tags: tags)
        try TaskSpec.validate(tags: BSONDocument(elements: removed.uniqueByBytes().map { ($0, .null) }))
    }

    /// Sets and removes tags of tasks in any state.
    ///
    /// - Parameter removed: Names of tags; one that a task lacks is no error.
    /// - Returns: How many tasks the selection has.
    /// - Throws: `HubError.invalidInput` for a name that is no tag; nothing was changed.
    @discardableResult
    public func setTags(
        _ tags: BSONDocument,
        of selection: TaskSelection,
        removing removed: [String] = []
    ) async throws(HubError) -> Int {
        try Self.validate(tags: tags, removing: removed)
        var update: BSONDocument = [:]
        let kept = removed.uniqueByBytes().filter { tags[$0] == nil }
        if !tags.isEmpty { update.append("$set", .document(tags)) }
        if !kept.isEmpty { update.append("$unset", .document(BSONDocument(elements: kept.map { ($0, "") }))) }
        if update.isEmpty { return try await countTasks(selection).values.reduce(0, +) }
        let filter = Self.sound(selection.document(project: project))
        return try await translatingErrors { [update] () async throws(MongoError) in
            try await tasks.updateMany(filter, again: filter, .document(update)).matched
        }
    }
}

/// What differs of a task's options, as it is stored.
private struct OptionChanges {
    /// `{set: {name: value}, unset: [name]}`.
    let document: BSONDocument

    init?(of task: TaskRecord, _ set: (inout TaskOptions) throws(HubError) -> Void) throws(HubError) {
        let hub = task.document["hub"]?.documentValue ?? [:]
        let before = TaskOptions(hub: hub, withFiles: false)
        var after = before
        try set(&after)
        if !after.files.isEmpty {
            throw .invalid("files", "the files of a task cannot be changed; run it again with other ones")
        }
        if after.command.map(\.bytes) != before.command.map(\.bytes) {
            throw .invalid("command", "the command of a task cannot be changed; create another task")
        }
        if after.hold != before.hold {
            throw .invalid("hold", "hold and release tasks by the verbs of these names")
        }
        try after.validate()
        try ArgumentTemplate.check(after, task.hyperParameters ?? [:])
        var values: BSONDocument = [:]
        var unset: [BSONValue] = []
        for option in TaskOption.all where option.stored(after) != option.stored(before) {
            if let value = option.stored(after) ?? option.whereNotGiven {
                values.append(option.name, value)
            } else {
                unset.append(.string(option.name))
            }
        }
        if values.isEmpty, unset.isEmpty { return nil }
        document = ["set": .document(values), "unset": .array(unset), "v": .int32(after.version)]
    }
}
