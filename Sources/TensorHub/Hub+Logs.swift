public import BSON

private let unbuilt = HubError(.database, "not built yet")

extension Hub {
    /// Saves entries in one round trip. `time` is the server's clock.
    ///
    /// TensorLayer: `save_training_log`, `save_validation_log`, `save_testing_log`.
    @discardableResult
    public func saveLogs(
        _ kind: LogKind,
        _ values: [BSONDocument],
        origin: AttemptOrigin? = nil
    ) async throws(HubError) -> [ObjectID] { throw unbuilt }

    /// The document of an entry, checked: what the journal of an attempt keeps and `insertLogs` writes.
    ///
    /// - Throws: `HubError.invalidInput` that names the field.
    package static func logDocument(
        _ values: BSONDocument,
        project: String,
        time: BSONDateTime,
        origin: AttemptOrigin?
    ) throws(HubError) -> BSONDocument { throw unbuilt }

    /// Writes prepared documents. Those that are there already are left alone, so it is safe to repeat.
    package func insertLogs(_ kind: LogKind, _ documents: [BSONDocument]) async throws(HubError) { throw unbuilt }

    /// - Parameter sort: Oldest first unless given.
    public func logs(
        _ kind: LogKind,
        _ filter: Filter = .all,
        sort: Sort? = nil,
        limit: Int? = nil
    ) async throws(HubError) -> [LogEntry] { throw unbuilt }

    /// TensorLayer: `delete_training_log`, `delete_validation_log`, `delete_testing_log`.
    @discardableResult
    public func deleteLogs(_ kind: LogKind, _ filter: Filter) async throws(HubError) -> Int { throw unbuilt }
}
