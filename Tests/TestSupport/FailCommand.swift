public import BSON
public import MongoDriver
import Synchronization

/// Makes the server fail commands for the time of `body`: `data` as the server's fail point `failCommand` takes it, as
/// `["failCommands": ["insert"], "closeConnection": true]`.
///
/// The fail point is the server's only one, so tests that use it wait for each other; and it hits only the clients with
/// that application name, so other tests do not notice.
///
/// - Parameters:
///   - times: How many commands fail; `nil` for all.
///   - skipping: So many go through first, and all after them fail, whatever `times` says.
public func withFailCommand<Value>(
    _ data: BSONDocument,
    applicationName: String,
    times: Int? = 1,
    skipping: Int = 0,
    client: MongoClient,
    _ body: () async throws -> Value
) async throws -> Value {
    await failPoint.lock()
    defer { failPoint.unlock() }
    var data = data
    data["appName"] = .string(applicationName)
    let admin = client.database("admin")
    let some: BSONValue = times.map { ["times": BSONValue(smallest: $0)] } ?? "alwaysOn"
    try await admin.runCommand([
        "configureFailPoint": "failCommand",
        "mode": skipping > 0 ? ["skip": BSONValue(smallest: skipping)] : some,
        "data": .document(data),
    ])
    let result: Result<Value, any Error>
    do {
        result = .success(try await body())
    } catch {
        result = .failure(error)
    }
    try await admin.runCommand(["configureFailPoint": "failCommand", "mode": "off"])
    return try result.get()
}

private let failPoint = TestLock()

/// A lock that tasks wait for, in the order of asking.
final class TestLock: Sendable {
    private let state = Mutex((isHeld: false, waiters: [CheckedContinuation<Void, Never>]()))

    func lock() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.isHeld { state.waiters.append(continuation) }
                defer { state.isHeld = true }
                return !state.isHeld
            }
            if isFree { continuation.resume() }
        }
    }

    func unlock() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.waiters.isEmpty {
                state.isHeld = false
                return nil
            }
            return state.waiters.removeFirst()
        }
        next?.resume()
    }
}
