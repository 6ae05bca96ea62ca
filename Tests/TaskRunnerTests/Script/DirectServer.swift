import Synchronization
import TensorHub
import TestSupport

/// A script server without HTTP: the test makes the requests itself.
final class DirectServer: ScriptServer {
    private let backends = Mutex<[String: any ScriptBackend]>([:])

    func serve(_ backend: any ScriptBackend, socketPath: String, token: String?) async throws -> any ScriptService {
        backends.withLock { $0[socketPath] = backend }
        return Service(server: self, path: socketPath)
    }

    private struct Service: ScriptService {
        let server: DirectServer
        let path: String

        func stop() async { server.backends.withLock { $0[path] = nil } }
    }

    /// Waits for the only attempt that is served.
    func backend() async -> (any ScriptBackend)? {
        var found: (any ScriptBackend)?
        _ = await eventually {
            found = backends.withLock { $0.values.first }
            return found != nil
        }
        return found
    }

    var isServing: Bool { backends.withLock { !$0.isEmpty } }
}
