/// What the signals so far say of the machine.
struct Descent: Sendable {
    /// Whether the machine goes down.
    private var isAnnounced = false
    /// Whether the service manager's SIGTERM is still to come, which asks for no further step.
    private var awaitsStop = false

    /// Returns whether it is news.
    mutating func announce(isStopping: Bool) -> Bool {
        guard !isAnnounced else { return false }
        isAnnounced = true
        awaitsStop = !isStopping
        return true
    }

    /// Whether a SIGTERM is the one that comes with the announcement.
    mutating func takeAnnounced() -> Bool {
        defer { awaitsStop = false }
        return awaitsStop
    }
}
