import CLibSystemd

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
