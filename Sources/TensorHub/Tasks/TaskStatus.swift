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

/// Why a task leaves a state. Together with `TaskStatus.after(_:)` this is the whole life of a task; the statements of
/// `TaskStatements` carry each out in the database, guarded by the state it starts from.
///
/// ```
///            claim                 finish
///  pending --------> running ---------------> finished
///    |  ^              |  |---- fail ------> failed      (failures reached max_failures)
///    |  |--- retry ----|  |---- cancelled -> cancelled   (the script is dead)
///    |  |-- release ---|
///    |  |--- lose -----|                        (for the fifth time that is a fail)
///    |---- cancel -----------> cancelled        finished, failed, cancelled -- retry by hand --> pending
///    |---- reject -----------> failed           (cannot be run, or nobody took it by its deadline)
/// ```
public enum TaskTransition: Sendable, Hashable, CaseIterable {
    /// A runner takes the task: a new attempt, a new lease.
    case claim
    /// The script succeeded.
    case finish
    /// The script failed for the last time.
    case fail
    /// The script failed and has failures left: it waits again.
    case retry
    /// The runner gives the attempt back uncounted: drain, checkpoint, outage.
    case release
    /// Nobody can report on the attempt: its lease has expired, or its supervisor or machine is gone.
    case lose
    /// The task cannot be run as it is written, or has waited past its deadline.
    case reject
    /// Somebody cancelled a task that nobody runs, or a runner reports that its script is dead.
    case cancel
    /// Somebody wants an ended task run again.
    case retryByHand
}

extension TaskStatus {
    /// The state that follows, or `nil` where the transition does not start from this state.
    public func after(_ transition: TaskTransition) -> TaskStatus? {
        switch (self, transition) {
        case (.pending, .claim): .running
        case (.pending, .reject): .failed
        case (.pending, .cancel): .cancelled
        case (.running, .finish): .finished
        case (.running, .fail): .failed
        case (.running, .retry), (.running, .release), (.running, .lose): .pending
        case (.running, .cancel): .cancelled
        case (.finished, .retryByHand), (.failed, .retryByHand), (.cancelled, .retryByHand): .pending
        default: nil
        }
    }
}
