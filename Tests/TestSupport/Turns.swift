/// How many may do something at the same time. All tests begin at once; more than a machine can carry would only wait
/// for each other, beyond their limits.
public actor Turns {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    public init(_ count: Int) {
        free = count
    }

    /// Runs the body when it is its turn, in the order of asking.
    public nonisolated func one<Value>(_ body: () async throws -> Value) async throws -> Value {
        await take()
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        await giveBack()
        return try result.get()
    }

    private func take() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func giveBack() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
