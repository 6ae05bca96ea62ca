/// Why a task leaves a state. Together with `TaskStatus.after(_:)` this is the whole life of a task; each statement of
/// `TaskStatements` is tested against it.
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
    /// The runner gives the attempt back uncounted: drain, checkpoint, outage, a machine that lacks something.
    case release
    /// Nobody can deliver the end of the attempt: its lease has expired, or its supervisor or machine is gone.
    case lose
    /// The task cannot be run as it is written, or has waited past its deadline.
    case reject
    /// Somebody cancelled a task that nobody runs, or a runner says that its script is dead.
    case cancel
    /// Somebody wants an ended task run again.
    case retryByHand

    /// The states that it starts from.
    var origins: [TaskStatus] { TaskStatus.all.filter { $0.after(self) != nil } }
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
