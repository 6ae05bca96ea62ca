import Synchronization

/// The state of a runner, shared by its parts.
final class SharedRunnerState: Sendable {
    private let state: Mutex<RunnerState>
    /// Yields when others should hear of the runner: what it does has changed, or somebody asked for it. For one
    /// reader.
    let changes: AsyncStream<Void>
    private let change: AsyncStream<Void>.Continuation

    init(slots: Int) {
        state = Mutex(RunnerState(slots: slots))
        (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func withLock<Value: Sendable>(_ body: (inout sending RunnerState) -> sending Value) -> Value {
        let (value, isChanged) = state.withLock { state in
            let before = state.activity
            let value = body(&state)
            return (value, state.activity != before)
        }
        if isChanged { change.yield() }
        return value
    }

    /// Tells of the runner, changed or not.
    func tell() { change.yield() }
}
