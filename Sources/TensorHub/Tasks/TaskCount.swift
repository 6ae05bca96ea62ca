/// A number that is not counted beyond a limit.
public struct TaskCount: Sendable, Hashable {
    public var number: Int
    /// Whether there are at least so many.
    public var isCapped: Bool

    package init(number: Int, isCapped: Bool) {
        self.number = number
        self.isCapped = isCapped
    }
}
