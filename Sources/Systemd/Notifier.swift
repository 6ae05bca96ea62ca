import CLibSystemd
import Glibc

/// Tells systemd how the service is doing. Does nothing where systemd did not ask for it (no `NOTIFY_SOCKET`).
///
/// Each message is one datagram that systemd reads in order; none of the calls blocks or fails in a way that a service
/// could do something about.
public struct Notifier: Sendable {
    public init() {}

    /// The service does its work now; to be sent once, after the first contact with MongoDB.
    public func ready(status: String) { send("READY=1\nSTATUS=\(line(status))") }

    /// The service is ending, however long that takes.
    public func stopping(status: String) { send("STOPPING=1\nSTATUS=\(line(status))") }

    /// The settings are being read again; `ready` follows.
    public func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000)")
    }

    /// The service is alive; owed within every `watchdogInterval`.
    public func alive() { send("WATCHDOG=1") }

    /// Within what time systemd wants to hear `alive`, else it ends the service; `nil` where it does not watch.
    public var watchdogInterval: Duration? {
        var microseconds: UInt64 = 0
        guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
        return .microseconds(Int64(clamping: microseconds))
    }

    /// Whether anybody listens.
    public var isHeard: Bool { getenv("NOTIFY_SOCKET") != nil }

    /// One line for `systemctl status`.
    public func status(_ text: String) { send("STATUS=\(line(text))") }

    /// Asks for this much more time to start or to stop, counted from now.
    public func extendTimeout(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        send("EXTEND_TIMEOUT_USEC=\(max(0, seconds) * 1_000_000 + max(0, attoseconds) / 1_000_000_000_000)")
    }

    private func send(_ message: String) {
        // Negative when systemd is gone; there is nobody else to tell.
        _ = sd_notify(0, message)
    }

    /// A line end would start another variable of the protocol.
    private func line(_ text: String) -> String {
        String(text.map { $0.isNewline || $0 == "\0" ? " " : $0 })
    }
}
