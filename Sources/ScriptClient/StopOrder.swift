/// That a script is to store a checkpoint and end, and why.
public struct StopOrder: Sendable, Hashable {
    /// `cancelled`, `drain`, `timeout`, `stall`, `lease-lost`, `outage`; `nil` where only SIGTERM has said so.
    public var reason: String?
    /// When the process will be killed, where that is known.
    public var deadline: ContinuousClock.Instant?

    public init(reason: String? = nil, deadline: ContinuousClock.Instant? = nil) {
        self.reason = reason
        self.deadline = deadline
    }
}
