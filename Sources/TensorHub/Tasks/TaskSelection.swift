public import BSON

/// Which tasks of the project a call is about: every condition that is given must hold.
public struct TaskSelection: Sendable, Hashable {
    /// These identifiers; empty means any.
    public var ids: [ObjectID]
    /// These task names; empty means any, tasks without a name included.
    public var names: [String]
    /// These states; empty means any.
    public var statuses: [TaskStatus]
    /// Any MongoDB filter besides.
    public var filter: Filter

    public init(
        ids: [ObjectID] = [],
        names: [String] = [],
        statuses: [TaskStatus] = [],
        filter: Filter = .all
    ) {
        self.ids = ids
        self.names = names
        self.statuses = statuses
        self.filter = filter
    }

    /// Every task of the project.
    public static let all = TaskSelection()

    public static func ids(_ ids: [ObjectID]) -> TaskSelection { TaskSelection(ids: ids) }
    public static func named(_ name: String) -> TaskSelection { TaskSelection(names: [name]) }

    /// Whether it was narrowed down at all.
    public var isAll: Bool { ids.isEmpty && names.isEmpty && statuses.isEmpty && filter.document.isEmpty }

    /// The MongoDB filter, the project first so that the indexes serve.
    func document(project: String) -> BSONDocument {
        var result: BSONDocument = ["project_name": .string(project)]
        if !ids.isEmpty { result.append("_id", Self.oneOf(ids.map(BSONValue.objectID))) }
        if !names.isEmpty { result.append("task_name", Self.oneOf(names.map(BSONValue.string))) }
        if !statuses.isEmpty { result.append("status", Self.oneOf(statuses.map { .string($0.rawValue) })) }
        if !filter.document.isEmpty { result.append("$and", [.document(filter.document)]) }
        return result
    }

    static func oneOf(_ values: [BSONValue]) -> BSONValue {
        values.count == 1 ? values[0] : ["$in": .array(values)]
    }
}
