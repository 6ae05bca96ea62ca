import Synchronization

/// Something that happens once, with a value, and those who wait for it.
package final class Signal<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        /// Each is called once: with the value, or with `nil` where its task was cancelled.
        var waiters: [SerialNumber: @Sendable (Value?) -> Void] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// `nil` until it is set.
    package var value: Value? { state.withLock { $0.value } }

    package var isSet: Bool { value != nil }

    /// Lets go of everybody who waits. The first value counts. Not under a lock that the handler of a cancellation
    /// takes.
    ///
    /// - Returns: Whether this is the first.
    @discardableResult
    package func set(_ value: Value) -> Bool {
        let waiters: [@Sendable (Value?) -> Void]? = state.withLock { state in
            guard state.value == nil else { return nil }
            state.value = value
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for resume in waiters ?? [] { resume(value) }
        return waiters != nil
    }

    /// Calls `body` unless it is set already, and is not set while `body` runs.
    package func ifUnset(_ body: () -> Void) { state.withLock { if $0.value == nil { body() } } }

    /// Waits for the value, in a cancelled task too.
    package func wait() async -> Value {
        await withCheckedContinuation { continuation in
            // Never called with `nil`: nobody gives this one up.
            add(SerialNumber()) { if let value = $0 { continuation.resume(returning: value) } }
        }
    }

    /// Waits for the value; `nil` where the task is cancelled before.
    @discardableResult
    package func waitUnlessCancelled() async -> Value? {
        let number = SerialNumber()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                add(number) { continuation.resume(returning: $0) }
                // The handler finds no waiter where the cancellation comes before there is one.
                if Task.isCancelled { giveUp(number) }
            }
        } onCancel: {
            giveUp(number)
        }
    }

    private func add(_ number: SerialNumber, _ resume: @escaping @Sendable (Value?) -> Void) {
        let value = state.withLock { state in
            if state.value == nil { state.waiters[number] = resume }
            return state.value
        }
        if let value { resume(value) }
    }

    private func giveUp(_ number: SerialNumber) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?(nil)
    }
}

extension Signal where Value == Void {
    package func set() { set(()) }

    /// What the body returns, or `nil` where the signal came first. The body is cancelled then, and waited for.
    package func before<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result? {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await self.waitUnlessCancelled()
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }
}
