import Glibc
import MongoDriver
import Synchronization
import Threads

/// Runs `body` while a thread writes to the file without a pause, each time the same byte all over it.
public func whileRewriting<Value>(_ path: String, size: Int, _ body: () async throws -> Value) async throws -> Value {
    let state = RestlessState()
    let isStarted = BlockingThread.start(name: "writer") {
        let file = open(path, O_WRONLY)
        var byte: UInt8 = 0
        while !state.isOver.withLock({ $0 }) {
            byte &+= 1
            let bytes = [UInt8](repeating: byte, count: size)
            pwrite(file, bytes, size, 0)
            state.hasBegun.withLock { $0 = true }
        }
        close(file)
        state.hasEnded.withLock { $0 = true }
    }
    guard isStarted, await eventually({ state.hasBegun.withLock { $0 } }) else {
        throw TestResourceError(message: "\(path): no thread writes to it")
    }
    let result: Result<Value, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    state.isOver.withLock { $0 = true }
    _ = await eventually { state.hasEnded.withLock { $0 } }
    return try result.get()
}

private final class RestlessState: Sendable {
    let hasBegun = Mutex(false)
    let isOver = Mutex(false)
    let hasEnded = Mutex(false)
}
