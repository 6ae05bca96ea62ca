import Glibc
import Synchronization

/// A thread of its own for work that blocks for long: a change stream, the wait for a child process.
package enum BlockingThread {
    /// Starts a detached thread that runs `body` and ends.
    ///
    /// - Returns: `false` when the system has no more threads; then `body` never runs.
    package static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        let box = Unmanaged.passRetained(ThreadBody(name: name, run: body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let status = pthread_create(&thread, &attributes, runThreadBody, box.toOpaque())
        if status != 0 { box.release() }
        return status == 0
    }

    /// Runs `body` on a thread of its own. In a system without a free thread here: slower for others, but done.
    package static func run<Value: Sendable>(
        name: String,
        _ body: @escaping @Sendable () -> Value
    ) async -> Value {
        await withCheckedContinuation { continuation in
            if start(name: name, { continuation.resume(returning: body()) }) { return }
            continuation.resume(returning: body())
        }
    }
}

private final class ThreadBody: Sendable {
    let name: String
    let run: @Sendable () -> Void

    init(name: String, run: @escaping @Sendable () -> Void) {
        self.name = name
        self.run = run
    }
}

nonisolated private func runThreadBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let body = Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue()
    // What `top -H` shows; Linux keeps fifteen characters.
    if let file = fopen("/proc/thread-self/comm", "w") {
        fputs(String(body.name.prefix(15)), file)
        fclose(file)
    }
    body.run()
    return nil
}
