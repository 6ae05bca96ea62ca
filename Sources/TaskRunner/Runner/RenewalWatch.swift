/// When a renewal of leases is late enough to be told: half a lease after the last one was sent that came through. Told
/// once until the next one comes through. Decisions only.
struct RenewalWatch<Instant: InstantProtocol>: Sendable where Instant.Duration == Duration {
    private let lease: Duration
    /// From when on the leases count, at the latest.
    private var since: Instant
    private var hasWarned = false

    init(lease: Duration, now: Instant) {
        self.lease = lease
        since = now
    }

    /// When to warn, unless a renewal comes through before; `nil` where that was done.
    var warningDue: Instant? { hasWarned ? nil : since.advanced(by: lease / 2) }

    /// How old the leases are, and how long they last.
    func lateness(at now: Instant) -> (since: Duration, left: Duration) {
        let age = since.duration(to: now)
        return (age, max(.zero, lease - age))
    }

    mutating func hasTold() { hasWarned = true }

    /// - Returns: How long after the one before, where that was told to be late.
    mutating func renewed(sentAt sent: Instant) -> Duration? {
        defer {
            since = sent
            hasWarned = false
        }
        return hasWarned ? since.duration(to: sent) : nil
    }

    /// There are no leases; the next ones begin from now on.
    mutating func nothingToRenew(at now: Instant) {
        since = now
        hasWarned = false
    }
}
