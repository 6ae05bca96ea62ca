import BSON
package import Logging
import TensorHub

/// The log on standard error, with time and level. Under journald the daemon has `JournalLog` in its place.
package struct StandardErrorLog: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level

    package init(level: Logger.Level) {
        logLevel = level
    }

    package static func logger(label: String, level: Logger.Level) -> Logger {
        Logger(label: label) { _ in StandardErrorLog(level: level) }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = "\(BSONDateTime.now.iso8601) \(event.level) "
        line += "\(event.message)"
        var facts = metadata
        if let more = event.metadata { facts.merge(more) { $1 } }
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) {
            let text = "\(value)"
            line += " \(key)=" + (text.bytes.contains(" ") || text.bytes.contains("\"") ? Self.quoted(text) : text)
        }
        // One write a line, so that those of several threads do not mix; an attacker's line end stays in its line.
        StandardError.line(TerminalText.oneLine(line))
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.bytes.split(separator: "\"", omittingEmptySubsequences: false).map(\.text).joined(separator: "\\\"")
            + "\""
    }
}
