/// Whether a script is to stop.
public struct ScriptControl: Sendable, Hashable {
    public var stop: Bool
    /// `cancelled`, `drain`, `lease-lost`, `outage`; `nil` while it may run on.
    public var reason: String?
    /// How long until SIGKILL.
    public var remaining: Duration?

    public init(stop: Bool = false, reason: String? = nil, remaining: Duration? = nil) {
        self.stop = stop
        self.reason = reason
        self.remaining = remaining
    }
}
