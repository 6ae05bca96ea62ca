public import BSON
import MongoDriver

extension Hub {
    /// Saves one entry.
    ///
    /// - Throws: As `saveLogs`.
    @discardableResult
    public func saveLog(
        _ kind: LogKind,
        _ values: BSONDocument,
        origin: AttemptID? = nil
    ) async throws(HubError) -> ObjectID {
        try await saveLogs(kind, [values], origin: origin)[0]
    }

    /// Saves entries in one round trip (several, where they exceed 48 MB). `time` is the server's clock; entries that
    /// are saved together are read back in their order.
    ///
    /// Every entry is checked before the first is written. Each may bring its own `_id`; one that is there already is
    /// left alone, so that after a lost reply the same call may be repeated.
    ///
    /// TensorLayer: `save_training_log`, `save_validation_log`, `save_testing_log`.
    ///
    /// - Returns: The identifiers, in order.
    /// - Throws: `HubError.invalidInput` naming the field and, for several entries, which of them; nothing was written.
    @discardableResult
    public func saveLogs(
        _ kind: LogKind,
        _ values: [BSONDocument],
        origin: AttemptID? = nil
    ) async throws(HubError) -> [ObjectID] {
        if values.isEmpty { return [] }
        let time = try await serverTime()
        let documents = try Self.logDocuments(values, project: project, time: time, origin: origin)
        try await insertLogs(kind, documents)
        return documents.compactMap { $0["_id"]?.objectIDValue }
    }

    /// Writes prepared documents. Those that are there already are left alone, so it is safe to repeat.
    ///
    /// Returns when a majority has them in its journals: the caller may forget them then. In batches that costs nothing
    /// (a batch is one flush); who saves entry by entry waits about a millisecond for each.
    ///
    /// - Throws: `HubError.invalidInput` for documents that the server refuses; the others were written.
    package func insertLogs(_ kind: LogKind, _ documents: [BSONDocument]) async throws(HubError) {
        if documents.isEmpty { return }
        try await ensureLogIndexes(kind)
        do throws(MongoError) {
            _ = try await logCollection(kind).insertMany(documents, ordered: false)
        } catch {
            guard !error.writeErrors.isEmpty, error.code != .network, error.code != .writeConcern else {
                throw HubError(error)
            }
            let refused = error.writeErrors.filter { $0.code != Self.duplicateKey }
            guard let first = refused.first else { return }
            throw HubError(
                .invalidInput,
                field: "logs",
                "MongoDB refused \(refused.count) of \(documents.count) log entries, the first of them entry "
                    + "\(first.index + 1): \(first.message) (code \(first.code)); the others were saved",
                underlying: error
            )
        }
    }

    /// Deletes entries.
    ///
    /// TensorLayer: `delete_training_log`, `delete_validation_log`, `delete_testing_log`.
    ///
    /// - Returns: How many.
    @discardableResult
    public func deleteLogs(_ kind: LogKind, _ filter: Filter) async throws(HubError) -> Int {
        try await ensureLogIndexes(kind)
        return try await translatingErrors { () async throws(MongoError) in
            try await logCollection(kind).deleteInPieces(logFilter(filter))
        }
    }

    /// The collection of a log, with the guarantees of a task's state: the end of an attempt is delivered only when its
    /// entries are safe, and change streams show what a majority has.
    func logCollection(_ kind: LogKind) -> MongoCollection { durable(kind.collectionName) }

    /// The MongoDB filter, the project first so that the index serves.
    func logFilter(_ filter: Filter) -> BSONDocument {
        var document: BSONDocument = ["project_name": .string(project)]
        if !filter.document.isEmpty { document.append("$and", [.document(filter.document)]) }
        return document
    }

    /// Creates the indexes of a log, once per hub.
    func ensureLogIndexes(_ kind: LogKind) async throws(HubError) {
        try await ensureIndexes(LogIndexes.all, of: logCollection(kind))
    }

    /// The same for who only reads: see `expectIndexes`.
    func expectLogIndexes(_ kind: LogKind) async throws(HubError) {
        try await expectIndexes(LogIndexes.all, of: logCollection(kind))
    }

    /// The server's code for a key that a unique index has already.
    static let duplicateKey = 11000
}
