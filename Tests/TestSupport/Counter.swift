import Synchronization

/// A number that several tasks count up.
public final class Counter: Sendable {
    private let state = Mutex(0)

    public init() {}

    public var value: Int { state.withLock { $0 } }

    /// - Returns: What it was before.
    @discardableResult
    public func next(adding amount: Int = 1) -> Int {
        state.withLock { value in
            defer { value += amount }
            return value
        }
    }
}
