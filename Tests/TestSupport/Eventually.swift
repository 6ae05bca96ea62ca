/// Waits until the condition holds, and asks again every few milliseconds; `false` when the time is over.
///
/// - Parameters:
///   - limit: Generous: a condition that comes true ends the wait at once.
///   - pause: Between two questions; longer where the question itself is work.
public func eventually(
    within limit: Duration = .seconds(60),
    every pause: Duration = .milliseconds(5),
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try await !condition() {
        if clock.now >= deadline { return false }
        try? await Task.sleep(for: pause)
    }
    return true
}
