public import BSON

/// A runner as it describes itself, at most one heartbeat ago. Every reading is tolerant: a field of another type,
/// which any program may have written, reads as absent; `document` has the truth.
public struct RunnerRecord: Sendable, Hashable {
    /// The whole document.
    public let document: BSONDocument
    /// New at every start of the daemon.
    public let id: ObjectID
    /// Since the last heartbeat, by the server's clock at the moment of reading; `nil` where there was none.
    public let silence: Duration?
    /// What the runner does: its own word, `lost` where it has been silent for two of its leases.
    public let state: State

    /// What a runner does. A program of somebody else may write any word, so this is not an enum.
    public struct State: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
        public var rawValue: String

        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// Claims and runs.
        public static let running = State(rawValue: "running")
        /// Claims nothing until it is resumed; what runs goes on.
        public static let paused = State(rawValue: "paused")
        /// Claims nothing more; some attempts still run.
        public static let draining = State(rawValue: "draining")
        /// Nothing runs; it waits to be resumed.
        public static let drained = State(rawValue: "drained")
        /// Ends as soon as its attempts have.
        public static let stopping = State(rawValue: "stopping")
        /// Its process has ended in order.
        public static let stopped = State(rawValue: "stopped")
        /// Silent for two of its leases: its process or its machine is gone, or cut off. Never stored.
        public static let lost = State(rawValue: "lost")

        public var description: String { rawValue }
    }

    /// - Parameter isLost: As the server found it, by its own clock.
    init?(_ document: BSONDocument, silence: Duration?, isLost: Bool) {
        guard let id = document["_id"]?.objectIDValue else { return nil }
        self.document = document
        self.id = id
        self.silence = silence
        state = isLost ? .lost : State(rawValue: document["state"]?.stringValue ?? "")
    }

    /// What the machine calls itself.
    public var host: String? { document["host"]?.stringValue }
    /// What the runner is called, in histories too; the host name unless the settings say otherwise.
    public var name: String? { document["name"]?.stringValue }
    public var pid: Int? { document["pid"]?.intValue }
    public var version: String? { document["version"]?.stringValue }
    public var slots: Int { document["slots"]?.intValue ?? 0 }
    /// Slots out of service: held by processes that survive SIGKILL.
    public var blocked: Int { document["blocked"]?.intValue ?? 0 }
    /// How much it has found damaged on its machine since its start: files and folders of its own that it has set aside
    /// or whose rights it has restored.
    public var damaged: Int { document["damaged"]?.intValue ?? 0 }
    /// What scripts did not find on its machine since its start or since it was resumed, the latest last.
    public var lacks: [RunnerLack] {
        document["lacks"]?.arrayValue?.compactMap { $0.documentValue.flatMap(RunnerLack.init) } ?? []
    }
    public var labels: BSONDocument { document["labels"]?.documentValue ?? [:] }
    /// When the process started and when it was last heard of, by the server's clock.
    public var started: BSONDateTime? { document["started"]?.dateTimeValue }
    public var heartbeat: BSONDateTime? { document["heartbeat"]?.dateTimeValue }
    /// How long its leases last without renewal.
    public var lease: Duration? {
        document["lease"]?.doubleValue.flatMap { $0.isFinite && $0 > 0 && $0 < 1e9 ? .seconds($0) : nil }
    }
    /// Attempts that have ended since the start.
    public var done: Int { document["done"]?.intValue ?? 0 }
    /// The attempts under its leases at the last heartbeat.
    public var running: [AttemptID] {
        document["running"]?.arrayValue?.compactMap { $0.documentValue.flatMap(AttemptID.init) } ?? []
    }
    /// What MongoDB does not take from it.
    public var refused: [RunnerRefusal] {
        document["refused"]?.arrayValue?.compactMap { $0.documentValue.flatMap(RunnerRefusal.init) } ?? []
    }
    /// What was last asked of it, whether or not it has heard of it yet.
    public var control: RunnerControl? { document["control"]?.documentValue.flatMap(RunnerControl.init) }

    /// The only task names that it takes; empty for any.
    public var taskNames: [String] { query["names"]?.arrayValue?.compactMap(\.stringValue) ?? [] }
    /// What else a task must be.
    public var filter: Filter { Filter(query["filter"]?.documentValue ?? [:]) }
    /// The order in which it takes tasks; `nil` is the highest priority first, then the oldest.
    public var sort: Sort? {
        query["sort"]?.documentValue.flatMap { $0.isEmpty ? nil : Sort($0) }
    }

    private var query: BSONDocument {
        document["query"]?.stringValue.flatMap { try? BSONDocument(extendedJSON: $0) } ?? [:]
    }

    /// The text in `query`: one string, because the names of its fields begin with `$`.
    package static func queryText(names: [String], filter: Filter, sort: Sort?) -> String {
        var query: BSONDocument = [:]
        if !names.isEmpty { query.append("names", .array(names.map(BSONValue.string))) }
        if !filter.document.isEmpty { query.append("filter", .document(filter.document)) }
        if let sort { query.append("sort", .document(sort.document)) }
        return query.extendedJSON(.canonical)
    }
}
