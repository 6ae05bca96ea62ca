public import BSON

/// What an attempt has left for the next one.
public struct TaskCheckpoint: Sendable, Hashable {
    /// Which attempt.
    public var attempt: Int
    /// By the server's clock.
    public var time: BSONDateTime?
    /// Whether the script has called a checkpoint complete, in this attempt or in one before it.
    public var isDeclared: Bool
    public var files: [StoredFile]

    package init(attempt: Int, time: BSONDateTime? = nil, isDeclared: Bool = false, files: [StoredFile]) {
        self.attempt = attempt
        self.isDeclared = isDeclared
        self.time = time
        self.files = files
    }

    init?(_ document: BSONDocument) {
        guard let attempt = document["attempt"]?.intValue else { return nil }
        self.attempt = attempt
        time = document["time"]?.dateTimeValue
        isDeclared = document["declared"]?.boolValue ?? false
        files = (document["files"]?.arrayValue ?? []).compactMap { $0.documentValue.flatMap(StoredFile.init) }
    }
}
