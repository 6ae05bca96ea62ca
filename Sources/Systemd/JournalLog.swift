import CLibSystemd
import Glibc
public import Logging

/// The log as entries of systemd's journal with fields of their own: `journalctl TENSORHUB_TASK_ID=...` finds what
/// concerns one task. A key `task.id` becomes the field `TENSORHUB_TASK_ID`.
public struct JournalLog: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var logLevel: Logger.Level
    private let identifier: String

    public init(identifier: String, level: Logger.Level) {
        self.identifier = identifier
        logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var facts = metadata
        if let more = event.metadata { facts.merge(more) { $1 } }
        let sorted = facts.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        // Facts are in the text too: that is what people read.
        let text = sorted.reduce("\(event.message)") { "\($0) \($1.0)=\($1.1)" }
        var fields = [
            "MESSAGE=\(text)", "PRIORITY=\(Self.priority(event.level))", "SYSLOG_IDENTIFIER=\(identifier)",
        ]
        fields += sorted.map { "TENSORHUB_\(Self.fieldName($0.0))=\($0.1)" }
        Self.send(fields)
    }

    /// Whether standard error goes to the journal. systemd tells device and inode of its socket; a variable that was
    /// inherited by somebody whose standard error goes elsewhere does not count.
    public static var isAvailable: Bool {
        guard let value = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        return fstat(STDERR_FILENO, &status) == 0
            && String(cString: value) == "\(status.st_dev):\(status.st_ino)"
    }

    /// Upper case letters, digits and underscores, as the journal wants them.
    static func fieldName(_ key: String) -> String {
        String(key.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    /// The levels of syslog.
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

    private static func send(_ fields: [String]) {
        // One allocation that lives for the call; the journal takes bytes and lengths, so a line end in a value is
        // safe.
        let bytes = fields.map { Array($0.utf8) }
        var joined = bytes.flatMap(\.self)
        joined.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            var offset = 0
            let vectors = bytes.map { field in
                defer { offset += field.count }
                return iovec(iov_base: base + offset, iov_len: field.count)
            }
            // Negative where the journal is gone; there is nobody else to tell.
            _ = sd_journal_sendv(vectors, Int32(vectors.count))
        }
    }
}
