import MongoDriver

extension HubError {
    /// For a call whose filter and sort are the caller's own: whether the server could not use them. Our own statements
    /// are well-formed, so whatever the server refuses of such a call is the caller's fault, unless it is about rights,
    /// time or the server's state.
    package var isQueryFault: Bool {
        guard code == .database, !isTransient, let error = underlying as? MongoError else { return false }
        if error.code == .invalidInput { return true }
        // Deletes and updates are refused statement by statement.
        guard error.code == .server || error.code == .write else { return false }
        let codes = [error.serverCode].compactMap(\.self) + error.writeErrors.map(\.code)
        return !codes.isEmpty && !codes.contains(where: Self.faultsOfTheServer.contains)
    }

    /// InternalError, CursorNotFound, MaxTimeMSExpired, ExceededMemoryLimit of a sort, NotImplemented, Interrupted. A
    /// missing right has a code of its own.
    private static let faultsOfTheServer: Set<Int> = [1, 43, 50, 238, 292, 11601]
}
