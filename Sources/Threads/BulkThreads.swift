/// Threads for what may take minutes: copying, hashing and syncing large files. Each job has one of its own, which ends
/// with it, so nothing is there while nothing is to do; jobs beyond the limit wait in the order of asking. Nothing that
/// must be prompt ever waits behind them.
package final class BulkThreads: Sendable {
    private let slots: Slots

    /// - Parameter limit: Jobs at once: a disk does not serve more of them faster.
    package init(limit: Int = 2) {
        slots = Slots(count: limit)
    }

    /// Runs `body` to its end once it has begun.
    ///
    /// - Throws: What `body` throws; `CancellationError` where the task was cancelled before its turn came.
    package func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try Task.checkCancellation()
        while !(await slots.acquire(within: .seconds(3600))) { try Task.checkCancellation() }
        defer { slots.release() }
        return try await BlockingThread.run(name: "bulk") { Result(catching: body) }.get()
    }
}
