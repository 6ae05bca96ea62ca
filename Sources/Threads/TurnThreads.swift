/// Threads for what blocks on a disk for a moment, and for which parties take turns: what one of them has to do does
/// not make another one wait. A value is one party. The threads start with the work and end some seconds after it.
package struct TurnThreads: Sendable {
    private static let parties = PartyNumbers()

    private let threads: LaneThreads
    private let number: Int

    /// - Parameters:
    ///   - limit: Threads of all parties.
    ///   - share: Of these, how many may be one party's.
    package init(name: String, limit: Int, share: Int) {
        self.init(threads: LaneThreads(name: name, limit: limit, share: share))
    }

    private init(threads: LaneThreads) {
        self.threads = threads
        number = Self.parties.next()
    }

    /// Another party of the same threads.
    package func party() -> TurnThreads { TurnThreads(threads: threads) }

    /// Runs `body` when it is its turn; it always runs.
    package func runIfActive<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, any Error>, Never>) in
            threads.submit(of: number) { continuation.resume(returning: Result(catching: body)) }
        }
        return try result.get()
    }
}
