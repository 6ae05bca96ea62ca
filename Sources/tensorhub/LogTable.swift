import BSON
import Console
import TensorHub

/// Entries as rows, with a column for every value that any of them has.
struct LogTable {
    private let entries: [(entry: LogEntry, values: [ByteString: BSONValue])]
    private let keys: [String]
    private let hasTasks: Bool

    init(_ entries: [LogEntry]) {
        var seen: Set<ByteString> = []
        var keys: [String] = []
        self.entries = entries.map { entry in
            let values = entry.values.flattened
            for (key, _) in values where seen.insert(key.bytes).inserted { keys.append(key) }
            return (entry, Dictionary(firstOf: values.map { ($0.key, $0.value) }))
        }
        self.keys = keys
        hasTasks = entries.contains { $0.origin != nil }
    }

    var csv: String {
        CSV.text([LogColumns.fixed + keys] + entries.map { LogColumns.cells($0.entry, $0.values, keys) })
    }

    func text(width: Int?) -> String {
        let valueColumns = keys.map { key in
            let isNumeric = entries.allSatisfy { $0.values[key.bytes].map { $0.doubleValue != nil } ?? true }
            return Table.Column(key, isRightAligned: isNumeric, isElastic: !isNumeric)
        }
        var table = Table(
            [.init("TIME")] + (hasTasks ? [.init("TASK"), .init("ATTEMPT", isRightAligned: true)] : []) + valueColumns
        )
        table.rows = entries.map { entry, values in
            let cells = LogColumns.cells(entry, values, keys)
            return Array(cells[1...(hasTasks ? 3 : 1)]) + cells[4...]
        }
        return table.text(width: width)
    }
}

/// The columns of CSV.
enum LogColumns {
    static let fixed = ["id", "time", "task", "attempt"]

    static func cells(_ entry: LogEntry, _ values: [ByteString: BSONValue], _ keys: [String]) -> [String] {
        [
            entry.document["_id"]?.tableText ?? "", entry.document["time"]?.tableText ?? "",
            entry.origin?.taskID.description ?? "", entry.origin.map { "\($0.attempt)" } ?? "",
        ] + keys.map { values[$0.bytes]?.tableText ?? "" }
    }
}
