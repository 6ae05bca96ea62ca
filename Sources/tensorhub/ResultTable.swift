import BSON
import Console
import TensorHub

/// Tasks as rows, with a column for every hyper-parameter and every result that any of them has.
struct ResultTable {
    private struct Row {
        var fixed: [String]
        var parameters: [ByteString: BSONValue]
        var results: [ByteString: BSONValue]
    }

    private let rows: [Row]
    private let parameterKeys: [String]
    private let resultKeys: [String]
    private let hasNames: Bool
    private let hasStates: Bool

    init(_ tasks: [TaskRecord]) {
        parameterKeys = Self.keys(tasks.map { $0.hyperParameters ?? [:] })
        resultKeys = Self.keys(tasks.map(\.result))
        hasNames = tasks.contains { $0.name != nil }
        hasStates = tasks.contains { $0.status != .finished }
        rows = tasks.map { task in
            Row(
                fixed: [task.document["_id"]?.tableText ?? "", task.name ?? "", task.status.rawValue],
                parameters: Self.values(task.hyperParameters ?? [:]),
                results: Self.values(task.result)
            )
        }
    }

    /// Every column, whatever the tasks have, so that a program can rely on them.
    var csv: String {
        CSV.text([["id", "name", "status"] + titles] + rows.map { $0.fixed + cells($0).map { $0?.tableText ?? "" } })
    }

    func text(isRanked: Bool, width: Int?) -> String {
        var columns: [Table.Column] = isRanked ? [.init("RANK", isRightAligned: true)] : []
        columns.append(.init("ID"))
        if hasNames { columns.append(.init("NAME", isElastic: true)) }
        if hasStates { columns.append(.init("STATUS")) }
        let values = rows.map(cells)
        let valueColumns = titles.enumerated().map { index, title in
            let isNumeric = values.allSatisfy { $0[index].map { $0.doubleValue != nil } ?? true }
            return Table.Column(title, isRightAligned: isNumeric, isElastic: !isNumeric)
        }
        var table = Table(columns + valueColumns)
        table.rows = rows.enumerated().map { index, row in
            var cells = isRanked ? [String(index + 1)] : []
            cells.append(row.fixed[0])
            if hasNames { cells.append(row.fixed[1]) }
            if hasStates { cells.append(row.fixed[2]) }
            return cells + values[index].map { $0?.tableText ?? "" }
        }
        return table.text(width: width)
    }

    /// A name that is both a hyper-parameter and a result says which it is.
    private var titles: [String] {
        let both = Set(parameterKeys.map(\.bytes)).intersection(resultKeys.map(\.bytes))
        return parameterKeys.map { both.contains($0.bytes) ? "hyper_parameters.\($0)" : $0 }
            + resultKeys.map { both.contains($0.bytes) ? "result.\($0)" : $0 }
    }

    private func cells(_ row: Row) -> [BSONValue?] {
        parameterKeys.map { row.parameters[$0.bytes] } + resultKeys.map { row.results[$0.bytes] }
    }

    /// In the order in which they are met.
    private static func keys(_ documents: [BSONDocument]) -> [String] {
        documents.flatMap { $0.flattened.map(\.key) }.uniqueByBytes()
    }

    private static func values(_ document: BSONDocument) -> [ByteString: BSONValue] {
        Dictionary(firstOf: document.flattened.map { ($0.key, $0.value) })
    }
}
