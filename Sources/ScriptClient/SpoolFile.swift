import BSON
import Files
import Glibc

/// The file that a runner reads once the script has ended: a request a line, `{"path": "...", "body": ...}`.
enum SpoolFile {
    /// Appends, syncs and returns; blocks.
    ///
    /// - Throws: `localFile` with what the disk says.
    static func append(_ reports: [Report], to path: String) throws(ScriptError) {
        try ScriptError.ofFiles { () throws(FileError) in
            let file = try OpenFile(path, O_WRONLY | O_APPEND | O_CREAT, mode: 0o600)
            // Several processes of one attempt, also of Python, may end at the same time.
            _ = try file.lock(isWaiting: true)
            for line in lines(reports) { try file.write(Array(line.utf8)) }
            try file.synchronize()
        }
    }

    /// Log entries in batches of a size that the reader takes; results as they are; nothing of progress, which is over.
    static func lines(_ reports: [Report]) -> [String] {
        var lines: [String] = []
        for report in reports where report.path == Report.results { lines.append(line(report.path, report.text)) }
        let logs = reports.filter(\.isLog)
        for path in logs.map(\.path).uniqueByBytes().sortedByBytes() {
            var batch: [String] = []
            var size = 0
            for report in logs where report.path.bytes == path.bytes {
                if !batch.isEmpty, batch.count >= ReportQueue.batchCount || size > ReportQueue.batchSize {
                    lines.append(line(path, "[\(batch.joined(separator: ","))]"))
                    batch = []
                    size = 0
                }
                batch.append(report.text)
                size += report.text.utf8.count
            }
            if !batch.isEmpty { lines.append(line(path, "[\(batch.joined(separator: ","))]")) }
        }
        return lines
    }

    private static func line(_ path: String, _ body: String) -> String { "{\"path\":\"\(path)\",\"body\":\(body)}\n" }
}
