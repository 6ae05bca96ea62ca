import BSON
import Logging
import MongoDriver
import Synchronization

/// Indexes for those who only read: they need them for speed, and not at the price of waiting for them.
extension Hub {
    /// How long a reader waits for an index that is missing.
    static let indexWait: Duration = .seconds(1)

    /// What `ensureIndexes` makes sure of, for statements that wait for tasks or look at them.
    package func expectIndexes() async throws(HubError) {
        try await expectIndexes(TaskIndexes.tasks, of: tasks)
        try await expectIndexes(TaskIndexes.output, of: output)
    }

    /// Looks whether the indexes are there, and asks for those that are not. A large collection's are built for
    /// minutes: the server goes on with it, and whoever reads meanwhile is slow. Who may not create any reads without.
    ///
    /// - Throws: Where MongoDB cannot be reached.
    func expectIndexes(_ indexes: [IndexModel], of collection: MongoCollection) async throws(HubError) {
        let key = collection.name
        let now = ContinuousClock.now
        if indexed.withLock({ $0.suffices(for: key, false, now) }) { return }
        do {
            // One that is being built is listed too.
            let present = try await collection.listIndexes()
            let missing = indexes.filter { index in !present.contains { Self.isThere(index, as: $0) } }
            if missing.isEmpty { return indexed.withLock { $0.note(key, isComplete: true, now) } }
            indexed.withLock { $0.note(key, isComplete: false, now) }
            // An empty collection's are made at once, and nobody is to make a collection by reading.
            if present.isEmpty { return }
            try await collection.requestIndexes(missing, waiting: Self.indexWait)
            indexed.withLock { $0.note(key, isComplete: true, now) }
        } catch {
            if error.code == .unreachable { throw HubError(error) }
            indexed.withLock { $0.note(key, isComplete: false, now) }
            logger.notice(
                "Indexes are not ready; what needs them will be slow",
                metadata: ["collection": "\(key)", "error": "\(error)"]
            )
        }
    }

    private static func isThere(_ index: IndexModel, as found: BSONDocument) -> Bool {
        found["name"]?.stringValue == index.name
            || found["key"]?.documentValue.map { haveSameKeys($0, index.keys) } == true
                && (found["unique"] == true) == index.unique
                && found["partialFilterExpression"]?.documentValue == index.partialFilter
    }
}
