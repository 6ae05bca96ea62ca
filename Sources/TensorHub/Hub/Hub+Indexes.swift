import BSON
import Logging
import MongoDriver
import Synchronization

extension Hub {
    /// Creates the indexes, once per hub. Statements that change or wait for tasks call it.
    ///
    /// An index that the server refuses (a document of somebody else's has arrays in two of its fields, the user may
    /// not) makes things slower, not wrong: it is logged. So does one that takes longer than a call may: the server
    /// goes on with it, and it is looked for again later.
    ///
    /// - Throws: Where MongoDB cannot be reached.
    package func ensureIndexes() async throws(HubError) {
        // Without the unique one a number may be given twice; whoever asks for such a one is told.
        try await ensureIndexes(TaskIndexes.tasks, of: tasks, mustBeUnique: false)
        // Without it a chunk may be stored twice: readers leave out the second.
        try await ensureIndexes(TaskIndexes.output, of: output, mustBeUnique: false)
    }

    /// The same for one collection.
    ///
    /// - Parameters:
    ///   - key: What these indexes are remembered by; the collection's name unless given.
    ///   - mustBeUnique: Whether the caller relies on what the unique ones among them promise, as that a version is
    ///     given once.
    /// - Throws: Also where a unique index is relied upon and cannot be made.
    func ensureIndexes(
        _ indexes: [IndexModel],
        of collection: MongoCollection,
        key: String? = nil,
        mustBeUnique: Bool = true
    ) async throws(HubError) {
        let key = key ?? collection.name
        let isStrict = mustBeUnique && indexes.contains(where: \.unique)
        let now = ContinuousClock.now
        if indexed.withLock({ $0.suffices(for: key, isStrict, now) }) { return }
        do {
            let isComplete = try await create(indexes, of: collection, isStrict)
            indexed.withLock { $0.note(key, isComplete: isComplete, now) }
        } catch {
            guard !isStrict, error.code == .network || error.code == .writeConcern else { throw HubError(error) }
            logger.notice(
                "Indexes are not ready yet; what needs them will be slow",
                metadata: ["collection": "\(collection.name)", "error": "\(error)"]
            )
            indexed.withLock { $0.note(key, isComplete: false, now) }
        }
    }

    /// Returns whether all unique ones are there.
    private func create(
        _ indexes: [IndexModel],
        of collection: MongoCollection,
        _ isStrict: Bool
    ) async throws(MongoError) -> Bool {
        do {
            try await collection.createIndexes(indexes)
            return true
        } catch {
            if error.isRetryable { throw error }
            if error.code == .forbidden { return try await makeDo(without: indexes, of: collection, isStrict, error) }
        }
        var isComplete = true
        for index in indexes {
            do {
                try await collection.createIndexes([index])
            } catch {
                if error.isRetryable { throw error }
                if index.unique, try await has(index, collection) { continue }
                if index.unique, isStrict { throw Self.refusal(of: index, collection, error) }
                if index.unique { isComplete = false }
                logger.warning(
                    "Cannot create an index; what needs it will be slow",
                    metadata: ["index": "\(collection.name).\(index.name)", "error": "\(error)"]
                )
            }
        }
        return isComplete
    }

    /// The user may not create indexes: those that an administrator has made will do.
    private func makeDo(
        without indexes: [IndexModel],
        of collection: MongoCollection,
        _ isStrict: Bool,
        _ refusal: MongoError
    ) async throws(MongoError) -> Bool {
        var missing: [IndexModel] = []
        for index in indexes where try await !has(index, collection) { missing.append(index) }
        if let unique = missing.first(where: \.unique), isStrict { throw Self.refusal(of: unique, collection, refusal) }
        if !missing.isEmpty {
            logger.warning(
                "Cannot create indexes; what needs them will be slow",
                metadata: [
                    "collection": "\(collection.name)", "indexes": "\(missing.map(\.name).joined(separator: ", "))",
                    "error": "\(refusal)",
                ]
            )
        }
        return !missing.contains(where: \.unique)
    }

    private static func refusal(
        of index: IndexModel,
        _ collection: MongoCollection,
        _ error: MongoError
    ) -> MongoError {
        var error = error
        error.message =
            "the unique index '\(index.name)' of collection \(collection.name) cannot be created, and without it "
            + "documents may be stored twice: \(error.message)"
        return error
    }

    /// Whether an administrator has made the same index under another name, or the user merely may not make it again.
    private func has(_ index: IndexModel, _ collection: MongoCollection) async throws(MongoError) -> Bool {
        do {
            return try await collection.listIndexes().contains {
                $0["key"]?.documentValue.map { Self.haveSameKeys($0, index.keys) } == true
                    && (index.unique ? $0["unique"] == true : true)
                    && $0["partialFilterExpression"]?.documentValue == index.partialFilter
            }
        } catch {
            if error.isRetryable { throw error }
            return false
        }
    }

    /// A direction may be stored as a number of any type.
    static func haveSameKeys(_ one: BSONDocument, _ other: BSONDocument) -> Bool {
        one.keys == other.keys && one.keys.allSatisfy { one[$0]?.doubleValue == other[$0]?.doubleValue }
    }
}
