import BSON
import Console
import TensorHub

/// Tasks as rows of columns that somebody has chosen.
struct FieldTable {
    let fields: [TaskField]
    let tasks: [TaskRecord]
    let now: BSONDateTime
    /// How a task is called for people.
    var label: (TaskRecord) -> String = \.label

    private var values: [[BSONValue?]] { fields.map { field in tasks.map { field.value(of: $0, now: now) } } }

    /// - Parameter isRanked: Whether the first is the best.
    func table(isRanked: Bool = false) -> Table {
        let values = values
        let columns = zip(fields, values).map { $0.column(of: $1) }
        let cells = zip(fields, values).map { field, values in
            switch field {
            case .own(.state): tasks.map(\.state)
            case .own(.id): tasks.map(label)
            default: field.cells(values)
            }
        }
        var table = Table((isRanked ? [.init("RANK", isRightAligned: true)] : []) + columns)
        table.rows = tasks.indices.map { row in (isRanked ? ["\(row + 1)"] : []) + cells.map { $0[row] } }
        return table
    }

    var csv: String {
        let values = values
        return CSV.text(
            [fields.map(\.text)] + tasks.indices.map { row in values.map { $0[row]?.tableText ?? "" } }
        )
    }

    /// What a task has none of is left out.
    var documents: [BSONDocument] {
        let values = values
        return tasks.indices.map { row in
            let found = zip(fields, values).compactMap { field, values in values[row].map { (field.text, $0) } }
            return BSONDocument(elements: found)
        }
    }
}
