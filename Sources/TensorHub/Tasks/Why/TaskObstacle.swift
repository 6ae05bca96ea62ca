public import BSON

/// Why no runner takes a pending task now.
public enum TaskObstacle: Sendable, Hashable {
    /// The version of TensorHub's documents that this library knows.
    public static let knownVersion = Int(TaskStatements.version)

    /// Somebody holds it until it is released.
    case held
    /// Nobody is to take it before that time.
    case notBefore(BSONDateTime)
    /// It failed, and waits before it is tried again.
    case backingOff(until: BSONDateTime, failures: Int, of: Int, cause: String?)
    /// It was given back, and waits before it goes on.
    case interrupted(until: BSONDateTime, cause: String?)
    /// Its time has come; the next look of a runner at the queue makes it ready, within seconds.
    case due
    /// Another program wrote it, and no runner has adopted it yet: that takes seconds where there is one.
    case notAdopted
    /// `hub.ready` is false, and no field of ours says why.
    case notReady
    /// No runner of the project is known.
    case noRunner
    /// It needs that version of TensorHub's documents, newer than the one that this library knows.
    case newerVersion(Int)
    /// That key is there twice: the next runner that comes upon it ends it as failed.
    case repeatedKey(String)

    /// One word for programs.
    public var word: String {
        switch self {
        case .held: "held"
        case .notBefore: "not-before"
        case .backingOff: "backing-off"
        case .interrupted: "interrupted"
        case .due: "due"
        case .notAdopted: "not-adopted"
        case .notReady: "not-ready"
        case .noRunner: "no-runner"
        case .newerVersion: "newer-version"
        case .repeatedKey: "repeated-key"
        }
    }
}
