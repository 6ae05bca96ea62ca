public import BSON
import Glibc
public import TensorHub

/// What a runner takes, and how it treats it.
public struct RunnerOptions: Sendable {
    /// The host's name in leases and histories.
    public var name: String
    /// What the machine calls itself: its runners count as one where it does not have what a task needs.
    package var host = RunnerOptions.machineName
    /// How many different scripts in a row that do not find on this machine what they need pause the runner; `nil`
    /// never does, where there is no other.
    package var pausesAfter: Int? = 3
    /// How many attempts run at once.
    public var slots: Int
    /// Only tasks of these names; empty takes all of the project.
    public var taskNames: [String]
    /// Only tasks that match.
    public var filter: Filter
    /// The order in which tasks are taken; `nil` is the highest priority first, then the oldest.
    public var sort: Sort?
    /// Attempt directories and the Python client live below it.
    public var stateDirectory: String
    /// How long a lease lasts without renewal; renewed every quarter of it. Tests may go below the 15 s of the
    /// settings.
    public var lease: Duration
    /// From SIGTERM to SIGKILL, where the task does not say.
    public var grace: Duration
    /// Bytes of output kept per attempt: the first 1 MiB and the last rest.
    public var outputLimit: Int
    /// The supervisor executable; `nil` is the one beside this executable.
    public var supervisorPath: String?
    /// The Python of tasks that name none: a program, the folder of an environment or `conda:NAME`; `nil` is what the
    /// path has.
    public var python: String?
    /// How long MongoDB may be away until the scripts are stopped; `nil` lets them run on.
    public var outageLimit: Duration?
    /// How long a task may run without a lease, as under TensorLayer's own runners, until it is run again; `nil` leaves
    /// those alone.
    public var unleasedLimit: Duration?
    /// Names of environment variables that scripts get from the runner besides the standard ones.
    public var allowedEnvironment: [String]
    /// Words about this machine, shown with the runner.
    public var labels: [ByteString: String]
    /// The program's version, shown with the runner.
    public var version: String
    /// What scripts reach the script API through; `nil` offers them none.
    public var scriptServer: (any ScriptServer)?
    /// Bytes of data sets and models kept on this machine, in `<state directory>/cache`.
    public var cacheLimit: Int64

    public static let defaultSlots = 1
    public static let defaultLease: Duration = .seconds(60)
    public static let defaultGrace: Duration = .seconds(30)
    public static let defaultOutputLimit = 64 * 1024 * 1024
    public static let defaultCacheLimit: Int64 = 20 << 30

    public init(
        name: String,
        stateDirectory: String,
        slots: Int = RunnerOptions.defaultSlots,
        taskNames: [String] = [],
        filter: Filter = .all,
        sort: Sort? = nil,
        lease: Duration = RunnerOptions.defaultLease,
        grace: Duration = RunnerOptions.defaultGrace,
        outputLimit: Int = RunnerOptions.defaultOutputLimit,
        supervisorPath: String? = nil,
        python: String? = nil,
        outageLimit: Duration? = nil,
        unleasedLimit: Duration? = nil,
        allowedEnvironment: [String] = [],
        labels: [ByteString: String] = [:],
        version: String = "",
        scriptServer: (any ScriptServer)? = nil,
        cacheLimit: Int64 = RunnerOptions.defaultCacheLimit
    ) {
        self.name = name
        self.stateDirectory = stateDirectory
        self.slots = slots
        self.taskNames = taskNames
        self.filter = filter
        self.sort = sort
        self.lease = lease
        self.grace = grace
        self.outputLimit = outputLimit
        self.supervisorPath = supervisorPath
        self.python = python
        self.outageLimit = outageLimit
        self.unleasedLimit = unleasedLimit
        self.allowedEnvironment = allowedEnvironment
        self.labels = labels
        self.version = version
        self.scriptServer = scriptServer
        self.cacheLimit = cacheLimit
    }

    /// Takes what a running runner can change; the rest stays.
    package mutating func reload(from new: RunnerOptions) {
        slots = new.slots
        taskNames = new.taskNames
        filter = new.filter
        sort = new.sort
        grace = new.grace
        outputLimit = new.outputLimit
        outageLimit = new.outageLimit
        unleasedLimit = new.unleasedLimit
        cacheLimit = new.cacheLimit
    }

    /// What this machine calls itself.
    private static let machineName: String = {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }()

    var query: ClaimQuery { ClaimQuery(names: taskNames, filter: filter, sort: sort) }
}
