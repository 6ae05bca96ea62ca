public import BSON

/// Output of tasks that are gone: what `Hub.collectOutput` has found, and deleted unless it was a dry run.
public struct OutputGarbage: Sendable, Hashable {
    /// Whether nothing was changed.
    public var isDryRun: Bool
    /// Identifiers of the tasks, of any type.
    public var tasks: [BSONValue] = []
    public var chunks = 0
    /// About how many bytes are, or would be, free.
    public var bytes: Int64 = 0
}
