import BSON

/// What `Hub.prune` is to delete. What runs or waits, and what a kept document refers to, is never part of it.
public struct Retention: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Ended tasks, with their output; and their log entries, where logs are among the kinds.
        case tasks
        /// Log entries whose task is gone, or that never had one.
        case logs
        case models
        case dataSets = "datasets"
    }

    public var kinds: Set<Kind>
    /// Since a task has ended, or since anything else was written, by the server's clock; `nil` means any age.
    public var olderThan: Duration?
    /// Of tasks, models and data sets; `nil` means any. Log entries have no name but that of their task.
    public var name: String?
    /// Of tasks: those that have ended, `finished`, `failed` and `cancelled`, unless given.
    public var statuses: [TaskStatus]
    /// So many of the newest versions of each name stay, whatever their age.
    public var keeping: Int

    public init(
        kinds: Set<Kind> = Set(Kind.allCases),
        olderThan: Duration? = nil,
        name: String? = nil,
        statuses: [TaskStatus] = [.finished, .failed, .cancelled],
        keeping: Int = 0
    ) {
        self.kinds = kinds
        self.olderThan = olderThan
        self.name = name
        self.statuses = statuses
        self.keeping = keeping
    }

    /// - Throws: `HubError.invalidInput` that names the field.
    func validate() throws(HubError) {
        if kinds.isEmpty { throw .invalid("kinds", "no kind is given; name tasks, logs, models or datasets") }
        if keeping < 0 { throw .invalid("keep", "keep is \(keeping); it must be 0 or more versions") }
        if let olderThan, olderThan < .zero {
            throw .invalid("older_than", "the age is \(olderThan); it must be positive")
        }
        for status in statuses where !Self.ended.contains(status) {
            throw .invalid(
                "status",
                "status '\(status.rawValue)' cannot be pruned: only what has ended is, finished, failed or cancelled"
            )
        }
    }

    private static let ended: [TaskStatus] = [.finished, .failed, .cancelled]
}
