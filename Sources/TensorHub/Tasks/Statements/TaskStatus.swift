import BSON

/// The word in a task's `status` field. A program of somebody else may write any word, so this is not an enum.
public struct TaskStatus: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    public var rawValue: String

    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// Waits to be claimed: for a runner, for its time (`hub.not_before`), or because it is held (`hub.hold`).
    public static let pending = TaskStatus(rawValue: "pending")
    /// An attempt is under way: under a lease, or on a runner of TensorLayer's, which writes none.
    public static let running = TaskStatus(rawValue: "running")
    /// The script ended with exit status 0 and every saved result key is in `result`.
    public static let finished = TaskStatus(rawValue: "finished")
    /// The script failed `max_failures` times, or the task cannot be run; `hub.error` says why.
    public static let failed = TaskStatus(rawValue: "failed")
    /// Somebody cancelled it, and nothing of it runs any more.
    public static let cancelled = TaskStatus(rawValue: "cancelled")

    public static let all: [TaskStatus] = [.pending, .running, .finished, .failed, .cancelled]

    /// Whether a distributor still has to wait. TensorLayer's own takes every word but these two for done.
    public var isUnfinished: Bool { self == .pending || self == .running }

    public var description: String { rawValue }

    public static func == (one: Self, other: Self) -> Bool { one.rawValue.bytes == other.rawValue.bytes }

    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue.bytes) }
}
