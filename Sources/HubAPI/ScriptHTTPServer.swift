import Hummingbird
import Logging
public import TensorHub

/// The script API: HTTP/1.1 and JSON on a Unix socket, over a `ScriptBackend`.
public final class ScriptHTTPServer: ScriptServer {
    public init() {}

    public func serve(
        _ backend: any ScriptBackend,
        socketPath: String,
        token: String?
    ) async throws -> any ScriptService { throw HubError(.database, "not built yet") }
}
