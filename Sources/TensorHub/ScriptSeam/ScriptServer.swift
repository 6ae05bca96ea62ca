/// Makes a backend reachable for scripts: `HubAPI` has one, a runner uses it without knowing HTTP.
public protocol ScriptServer: Sendable {
    /// Serves on a Unix socket that is made with mode 0600 (an old file of that name is replaced), until `stop()`.
    ///
    /// - Parameter token: What requests must show: `Authorization: Bearer ...`; `nil` asks for none.
    func serve(_ backend: any ScriptBackend, socketPath: String, token: String?) async throws -> any ScriptService
}

/// A server that runs.
public protocol ScriptService: Sendable {
    /// Answers what it has begun to answer, then ends.
    func stop() async
}
