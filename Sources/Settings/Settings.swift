public import BSON

/// What a command or a daemon was told to do, from all places at once: flag, then environment, then the user's file,
/// then the system's file, then the default.
public struct Settings: Sendable {
    /// Holds the password if there is one: never to be printed or logged.
    public var uri: String
    public var project: String
    /// The runner's name.
    public var name: String
    /// At least 1.
    public var slots: Int
    public var labels: [ByteString: String]
    /// Empty for every name.
    public var taskNames: [String]
    /// Empty for no condition of the user's own.
    public var filter: BSONDocument
    /// Empty for the order of the queue: priority, then the oldest first.
    public var sort: BSONDocument
    /// Absolute.
    public var stateDirectory: String
    /// 15 s to 1 h.
    public var lease: Duration
    public var grace: Duration
    /// In bytes, of one attempt.
    public var outputLimit: Int
    /// In bytes, of all data sets and models together.
    public var cacheLimit: Int
    /// How long MongoDB may be away until scripts are stopped; `nil` for ever.
    public var outageLimit: Duration?
    /// How long a task may run without a lease; `nil` for ever.
    public var rescueUnleased: Duration?
    /// Absolute; `nil` for the one beside the executable.
    public var supervisorPath: String?
    /// A program, the folder of an environment or `conda:NAME`; `nil` for what the path has.
    public var python: String?
    /// Names, or beginnings of names that end in `*`.
    public var allowedEnvironment: [String]
    /// A level of swift-log.
    public var logLevel: String
    /// Absolute: where `tensorhub dev` keeps its database.
    public var dataDirectory: String

    /// The file that shows the password of `uri` to every user of the machine; `nil` where none does.
    public private(set) var exposingFile: String?

    /// Where each key's value comes from, by key name; keys at their default are absent.
    public private(set) var origins: [ByteString: SettingOrigin]
}

/// The place that decided a setting.
public enum SettingOrigin: Sendable, Hashable, CustomStringConvertible {
    case flag(String)
    case environment(String)
    case file(path: String, line: Int)

    public var description: String {
        switch self {
        case .flag(let name): "flag --\(name)"
        case .environment(let variable): "environment variable \(variable)"
        case .file(let path, let line): "\(path), line \(line)"
        }
    }
}

extension Settings {
    /// Reads and checks everything that was given, also what is overridden elsewhere: a mistake in a file is told
    /// before the day on which the file counts.
    public init(_ inputs: SettingsInputs) throws(SettingsError) {
        let layers = try SettingsLayers(inputs)
        uri = try layers.uri()
        project = layers.text(.project)
        name = layers.given(.runnerName) ?? inputs.hostName
        slots = layers.integer(.slots)
        labels = layers.labels(.labels)
        taskNames = layers.list(.taskNames)
        filter = layers.document(.filter)
        sort = layers.document(.sort)
        stateDirectory = try layers.stateDirectory()
        lease = layers.duration(.lease)
        grace = layers.duration(.grace)
        outputLimit = layers.integer(.outputLimit)
        cacheLimit = layers.integer(.cacheLimit)
        outageLimit = layers.givenDuration(.outageLimit)
        rescueUnleased = layers.givenDuration(.rescueUnleased)
        supervisorPath = layers.given(.supervisorPath)
        python = layers.given(.python)
        allowedEnvironment = layers.list(.allowedEnvironment)
        logLevel = layers.text(.logLevel)
        dataDirectory = try layers.dataDirectory()
        exposingFile = layers.exposingFile(of: uri)
        origins = layers.origins
    }
}

extension Settings {
    /// The Python that whoever submits has chosen for all of the tasks: in the environment or a file of theirs. What
    /// the system's file says is the runner's.
    public var submittedPython: String? {
        if case .file(let path, _) = origins["python"], path.bytes == SettingsLayers.systemFile.bytes { return nil }
        return python
    }

    /// The keys in which they differ and which a running daemon cannot change.
    public func differencesThatNeedARestart(from other: Settings) -> [String] {
        SettingKey.all.filter { $0.fixed?(self) != $0.fixed?(other) }.map(\.name)
    }
}

extension Settings: CustomStringConvertible, CustomReflectable {
    /// For logs: everything but the URI, which may hold a password.
    public var description: String {
        "project \(project), name \(name), slots \(slots), state directory \(stateDirectory)"
    }

    /// Nothing, so that `dump` cannot show the URI either.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
