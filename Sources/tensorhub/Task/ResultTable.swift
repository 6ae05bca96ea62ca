import BSON
import Console
import TensorHub

/// Tasks as rows, with a column for every hyper-parameter and every result that any of them has.
struct ResultTable {
    private struct Row {
        var fixed: [String]
        /// What people call it by.
        var label: String
        var number: String
        /// Hyper-parameters, then results.
        var values: [BSONValue?]
    }

    private let rows: [Row]
    private let parameters: Columns
    private let results: Columns
    private let hasNames: Bool
    private let hasStates: Bool

    init(_ tasks: [TaskRecord], _ ids: IDOptions) {
        let fields = tasks.map { ($0.hyperParameters?.flattened ?? [], $0.result.flattened) }
        let parameters = Columns(fields.flatMap { $0.0.map(\.key) })
        let results = Columns(fields.flatMap { $0.1.map(\.key) })
        self.parameters = parameters
        self.results = results
        hasNames = tasks.contains { $0.name != nil }
        hasStates = tasks.contains { $0.status != .finished }
        rows = zip(tasks, fields).map { task, fields in
            Row(
                fixed: [task.document["_id"]?.tableText ?? "", task.name ?? "", task.status.rawValue],
                label: ids.text(task),
                number: task.number.map(String.init) ?? "",
                values: parameters.cells(fields.0) + results.cells(fields.1)
            )
        }
    }

    /// Every column, whatever the tasks have, so that a program can rely on them.
    var csv: String {
        CSV.text(
            [["id", "name", "status", "number"] + titles]
                + rows.map { $0.fixed + [$0.number] + $0.values.map { $0?.tableText ?? "" } }
        )
    }

    func text(isRanked: Bool, width: Int?) -> String {
        var columns: [Table.Column] = isRanked ? [.init("RANK", isRightAligned: true)] : []
        columns.append(.init("ID"))
        if hasNames { columns.append(.init("NAME", isName: true)) }
        if hasStates { columns.append(StateColour.column("STATUS")) }
        let valueColumns = titles.enumerated().map { index, title in
            Table.Column(title, of: rows.lazy.map { $0.values[index] })
        }
        let valueCells = titles.indices.map { column in
            ShownNumber.aligned(
                rows.map { $0.values[column].map { ShownNumber.text($0) ?? $0.tableText } ?? "" }
            )
        }
        var table = Table(columns + valueColumns)
        table.rows = rows.enumerated().map { index, row in
            var cells = isRanked ? [String(index + 1)] : []
            cells.append(row.label)
            if hasNames { cells.append(row.fixed[1]) }
            if hasStates { cells.append(row.fixed[2]) }
            return cells + valueCells.map { $0[index] }
        }
        return table.text(width: width)
    }

    /// A name that is both a hyper-parameter and a result, or that of a column of ours, says which it is. So does one
    /// that looks as if it did: no two columns have one name.
    private var titles: [String] {
        func titles(_ names: [String], _ prefix: String, _ others: Columns) -> [String] {
            names.map { name in
                let isTaken = others.contains(name) || Self.taken.contains(name)
                let isMisleading = Self.prefixes.contains { name.utf8.starts(with: $0.utf8) }
                return isTaken || isMisleading ? prefix + name : name
            }
        }
        return titles(parameters.names, Self.prefixes[0], results) + titles(results.names, Self.prefixes[1], parameters)
    }

    private static let prefixes = ["hyper_parameters.", "result."]
    private static let taken = Columns(["id", "name", "status", "number", "RANK", "ID", "NAME", "STATUS"])
}
