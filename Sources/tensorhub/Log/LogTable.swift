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
            let isNumeric = entries.allSatisfy { $0.values[index].map { $0.doubleValue != nil } ?? true }
            return Table.Column(LogColumns.title(name), isRightAligned: isNumeric, isElastic: !isNumeric)
        }
        var table = Table(
            [.init("TIME")] + (hasTasks ? [.init("TASK"), .init("ATTEMPT", isRightAligned: true)] : []) + valueColumns
        )
        table.rows = entries.map { entry, values in
            let cells = LogColumns.cells(entry, values)
            return Array(cells[1...(hasTasks ? 3 : 1)]) + cells[4...]
        }
        return table.text(width: width)
    }
}

/// The columns of CSV.
enum LogColumns {
    private static let fixed = ["id", "time", "task", "attempt"]
    /// The same in a table for people.
    private static let taken = Columns(fixed + ["TIME", "TASK", "ATTEMPT"])
    private static let prefix: ByteString = "value."

    static func titles(_ names: [String]) -> [String] { fixed + names.map(title) }

    /// A value that is called as one of ours is `value.task`. Hence also `value.value.task` for a value `value.task`:
    /// who takes the first `value.` away where only that and one of ours is left has the name again.
    static func title(_ name: String) -> String {
        var bare = name
        while let rest = bare.bytes.dropping(prefix) { bare = rest }
        return taken.contains(bare) ? prefix.text + name : name
    }

    static func cells(_ entry: LogEntry, _ values: [BSONValue?]) -> [String] {
        [
            entry.document["_id"]?.tableText ?? "", entry.document["time"]?.tableText ?? "",
            entry.origin?.task.description ?? "", entry.origin.map { "\($0.number)" } ?? "",
        ] + values.map { $0?.tableText ?? "" }
    }
}
