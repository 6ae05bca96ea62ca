public import BSON

/// One attempt in a task's history.
public struct AttemptRecord: Sendable, Hashable {
    public var attempt: Int
    public var runner: ObjectID?
    /// The name of the runner.
    public var host: String?
    /// What the machine calls itself.
    public var machine: String?
    public var start: BSONDateTime?
    public var end: BSONDateTime?
    /// `finished`, a kind of failure, `cancelled`, `drain`, `checkpoint`, ...; `nil` while it runs.
    public var cause: String?
    public var exit: Int?
    public var signal: Int?
    /// Bytes.
    public var peakMemory: Int?
    /// Bytes of output that found no room on the runner's disk.
    public var outputLost: Int
    /// Entries, data sets, models and checkpoints that its script saved and MongoDB did not take.
    public var refused: Int
    /// Hyper-parameters that its script never looked at.
    public var unused: [String]

    init(_ document: BSONDocument) {
        attempt = document["attempt"]?.intValue ?? 0
        runner = document["runner"]?.objectIDValue
        host = document["host"]?.stringValue
        machine = document["machine"]?.stringValue ?? host
        start = document["start"]?.dateTimeValue
        end = document["end"]?.dateTimeValue
        cause = document["cause"]?.stringValue
        exit = document["exit"]?.intValue
        signal = document["signal"]?.intValue
        peakMemory = document["peak_memory"]?.intValue
        outputLost = document["output_lost"]?.intValue ?? 0
        refused = document["refused"]?.intValue ?? 0
        unused = document["unused"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }
}
