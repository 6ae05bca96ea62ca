import BSON
import Glibc
package import Logging

/// The log on standard error. Under journald each line begins with its priority (`<5>`) and has no time, because the
/// journal adds one; elsewhere with time and level.
package struct StandardErrorLog: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let toJournal: Bool

    package init(level: Logger.Level) {
        logLevel = level
        toJournal = Self.isJournal
    }

    package static func logger(label: String, level: Logger.Level) -> Logger {
        Logger(label: label) { _ in StandardErrorLog(level: level) }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = toJournal ? "<\(Self.priority(event.level))>" : "\(Self.now()) \(event.level) "
        line += "\(event.message)"
        var facts = metadata
        if let more = event.metadata { facts.merge(more) { $1 } }
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) {
            let text = "\(value)"
            line += " \(key)=" + (text.contains(where: { $0 == " " || $0 == "\"" }) ? Self.quoted(text) : text)
        }
        // One write a line, so that those of several threads do not mix; an attacker's line end stays in its line.
        StandardError.line(TerminalText.oneLine(line))
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") + "\""
    }

    /// The levels of syslog, which journald reads at the beginning of a line.
    private static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    private static func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return BSONDateTime(millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000).iso8601
    }

    /// systemd tells device and inode of the journal's socket; a variable that was inherited by somebody whose standard
    /// error goes elsewhere does not count.
    private static var isJournal: Bool {
        guard let value = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        return fstat(STDERR_FILENO, &status) == 0
            && String(cString: value) == "\(status.st_dev):\(status.st_ino)"
    }
}
