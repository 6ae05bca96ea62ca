import BSON
import Synchronization

/// What a hub knows of indexes, whichever lane its calls go by.
final class IndexMemory: Sendable {
    private let known = Mutex(KnownIndexes())

    func withLock<Value: Sendable>(_ body: (inout KnownIndexes) -> Value) -> Value { known.withLock { body(&$0) } }
}

/// Which indexes a hub knows to be there.
struct KnownIndexes {
    private var complete: Set<ByteString> = []
    /// Those that are slow or lack a unique one, and when that was seen.
    private var incomplete: [ByteString: ContinuousClock.Instant] = [:]

    /// Whoever needs them for speed alone asks for what is missing once a minute.
    private static let patience: Duration = .seconds(60)

    func suffices(for key: String, _ isStrict: Bool, _ now: ContinuousClock.Instant) -> Bool {
        if complete.contains(key.bytes) { return true }
        return !isStrict && incomplete[key.bytes].map { now - $0 < Self.patience } == true
    }

    mutating func note(_ key: String, isComplete: Bool, _ now: ContinuousClock.Instant) {
        if isComplete { complete.insert(key.bytes) }
        incomplete[key.bytes] = isComplete ? nil : now
    }
}
