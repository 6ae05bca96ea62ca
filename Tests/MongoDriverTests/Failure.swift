import MongoDriver

/// The error that `body` throws; `nil` when it throws none, or another kind.
func failure(of body: () async throws -> Void) async -> MongoError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? MongoError
    }
}
