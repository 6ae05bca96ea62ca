extension MongoError {
    /// Unauthorized, and what a hosted server (AtlasError) says of a right, a quota or a kind of statement that it
    /// denies.
    static let forbiddenCodes: Set<Int> = [13, 8000]
    /// UserNotFound, AuthenticationFailed.
    static let authenticationCodes: Set<Int> = [11, 18]

    /// The same error; of a refusal, with one sentence that says who may not do what in the place of the server's
    /// words.
    func naming(_ action: Action, by core: ClientCore) -> MongoError {
        var error = self
        switch code {
        case .forbidden:
            let sentence = Self.sentence(action, by: core)
            error.message = sentence
            // Only that code says of what kind the refusal is in words alone.
            if serverCode == 8000 { error.message += ": \(message)" }
            for index in error.writeErrors.indices where Self.forbiddenCodes.contains(error.writeErrors[index].code) {
                error.writeErrors[index].message = sentence
            }
        case .authentication:
            error.message = "MongoDB does not let \(core.user.map { "user \($0)" } ?? "this user") in: \(message)"
        default: break
        }
        return error
    }

    private static func sentence(_ action: Action, by core: ClientCore) -> String {
        let words = ServerText.oneLine(action.words(home: core.defaultDatabaseName))
        if let user = core.user { return "MongoDB user \(user) may not \(words)" }
        if core.hasMechanism { return "this MongoDB user may not \(words)" }
        return "MongoDB lets nobody \(words) without a user; put one into the connection string"
    }
}
