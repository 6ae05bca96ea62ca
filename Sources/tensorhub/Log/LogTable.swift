import BSON
import Console
import TensorHub

/// Entries as rows, with a column for every value that any of them has.
struct LogTable {
    private let entries: [(entry: LogEntry, values: [BSONValue?])]
    private let columns: Columns
    private let hasTasks: Bool

    init(_ entries: [LogEntry]) {
        let values = entries.map(\.values.flattened)
        var columns = Columns()
        for (key, _) in values.joined() { columns.insert(key) }
        self.columns = columns
        self.entries = zip(entries, values).map { ($0, columns.cells($1)) }
        hasTasks = entries.contains { $0.origin != nil }
    }

    var csv: String {
        CSV.text([LogColumns.titles(columns.names)] + entries.map { LogColumns.cells($0.entry, $0.values) })
    }

    func text(width: Int?) -> String {
        let valueColumns = columns.names.enumerated().map { index, name in
            Table.Column(LogColumns.title(name), of: entries.lazy.map { $0.values[index] })
        }
        var table = Table(
            [.init("TIME")] + (hasTasks ? [.init("TASK"), .init("ATTEMPT", isRightAligned: true)] : []) + valueColumns
        )
        table.rows = entries.map { entry, values in
            let cells = LogColumns.cells(entry, values)
            let time = entry.time?.shownText ?? cells[1]
            return [time] + (hasTasks ? cells[2...3] : []) + cells[4...]
        }
        return table.text(width: width)
    }
}
