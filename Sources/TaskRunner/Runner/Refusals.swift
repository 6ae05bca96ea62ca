import BSON
import Synchronization
import TensorHub

/// What MongoDB refuses of a runner's at present and may take later, so that others hear of it by its signs of life.
final class Refusals: Sendable {
    struct Key: Hashable, Sendable {
        var kind: RunnerRefusal.Kind
        var task: ObjectID?

        static let claims = Key(kind: .claims)
        static let leases = Key(kind: .leases)
        static let reports = Key(kind: .reports)
        static func attempt(_ task: ObjectID) -> Key { Key(kind: .attempt, task: task) }
    }

    private struct Entry {
        var text: String
        var since = ContinuousClock.now
    }

    private let entries = Mutex<[Key: Entry]>([:])
    private let tell: @Sendable () -> Void

    /// The most that a sign of life tells of: an outage of rights concerns every attempt in the same way.
    static let limit = 20

    /// - Parameter tell: Called when there is a new one, and when one has passed.
    init(tell: @escaping @Sendable () -> Void = {}) {
        self.tell = tell
    }

    func met(_ key: Key, _ text: String) {
        let isNew = entries.withLock { entries in
            defer { entries[key, default: Entry(text: text)].text = text }
            return entries[key] == nil
        }
        if isNew { tell() }
    }

    /// What it was about goes through, or is not wanted any more.
    func passed(_ key: Key) {
        if entries.withLock({ !$0.isEmpty && $0.removeValue(forKey: key) != nil }) { tell() }
    }

    /// The oldest ones.
    ///
    /// - Parameter now: The server's time.
    func current(now: BSONDateTime) -> [RunnerRefusal] {
        let oldest = entries.withLock { entries in
            entries.isEmpty
                ? [] : entries.sorted { $0.value.since < $1.value.since }.prefix(Self.limit).map { ($0, $1) }
        }
        return oldest.map { key, entry in
            let age = Int64((ContinuousClock.now - entry.since) / .milliseconds(1))
            return RunnerRefusal(
                key.kind,
                task: key.task,
                text: entry.text,
                since: BSONDateTime(millisecondsSince1970: now.millisecondsSince1970 - age)
            )
        }
    }
}
