/// Why a runner ends an attempt before the script does.
enum StopReason: String, Sendable {
    case cancelled
    case drain
    case leaseLost = "lease-lost"
    /// MongoDB was away for longer than this runner waits.
    case outage
}
