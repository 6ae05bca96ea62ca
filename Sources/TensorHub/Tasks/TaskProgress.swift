/// How far the tasks of a selection are.
public struct TaskProgress: Sendable, Hashable {
    public var counts: [TaskStatus: Int]

    public init(counts: [TaskStatus: Int]) {
        self.counts = counts
    }

    public subscript(status: TaskStatus) -> Int { counts[status] ?? 0 }
    public var total: Int { counts.values.reduce(0, +) }
    public var unfinished: Int { self[.pending] + self[.running] }
    /// From 0 to 1; 1 where there is nothing to wait for.
    public var fraction: Double { total == 0 ? 1 : Double(total - unfinished) / Double(total) }
}
