/// Why one runner does not take a pending task.
public enum RunnerObstacle: Sendable, Hashable {
    /// Silent for two of its leases.
    case lost(silence: Duration?)
    case paused(RunnerControl?)
    case draining(RunnerControl?)
    case drained(RunnerControl?)
    case stopping(RunnerControl?)
    /// All slots are taken.
    case full(slots: Int, blocked: Int)
    /// It takes only tasks of these names.
    case otherNames([String])
    /// Its filter does not match; evaluated by the server.
    case filtered(Filter)
    /// The server cannot evaluate its filter.
    case filterFails(String)
    /// The task failed there and is to be tried elsewhere.
    case avoided
    /// Its machine does not have what the task needs.
    case lacks(HostLack)
    /// MongoDB does not let it claim.
    case refused(RunnerRefusal)

    /// One word for programs.
    public var word: String {
        switch self {
        case .lost: "lost"
        case .paused: "paused"
        case .draining: "draining"
        case .drained: "drained"
        case .stopping: "stopping"
        case .full: "full"
        case .otherNames: "other-names"
        case .filtered: "filtered"
        case .filterFails: "filter-fails"
        case .avoided: "avoided"
        case .lacks: "lacks"
        case .refused: "refused"
        }
    }

    /// Whether it ends without anybody doing something about it.
    var mayPassAlone: Bool {
        switch self {
        case .lost, .paused, .drained: false
        default: !isLasting
        }
    }

    /// Whether it stays so, whatever the runner's load and state: it never takes this task.
    var isLasting: Bool {
        switch self {
        case .otherNames, .filtered, .filterFails, .avoided, .lacks: true
        default: false
        }
    }
}
