public import BSON

/// Which runners of the project a request is for; those that have stopped never count.
public struct RunnerSelection: Sendable, Hashable {
    /// These identifiers; empty means any.
    public var ids: [ObjectID]
    /// These names; empty means any.
    public var names: [String]

    public init(ids: [ObjectID] = [], names: [String] = []) {
        self.ids = ids
        self.names = names
    }

    /// Every runner of the project.
    public static let all = RunnerSelection()

    public static func ids(_ ids: [ObjectID]) -> RunnerSelection { RunnerSelection(ids: ids) }
    public static func named(_ name: String) -> RunnerSelection { RunnerSelection(names: [name]) }
}
