import BSON
import Console
import TensorHub

/// How many tasks there are of each kind, for people and for programs.
struct GroupTable {
    let fields: [TaskField]
    let groups: [TaskTally]
    /// Whether the latest is shown by its id instead of its number.
    var isFull = false

    /// What stands where a group has no value.
    static let none = "-"

    var table: Table {
        let isFailure = fields.contains(.own(.failure))
        // One of them is to be looked at.
        let hasLatest = isFailure || fields.contains(.own(.script))
        let isOfStates = fields == [.own(.state)]
        let states =
            isFailure || isOfStates
            ? [] : TaskStatus.all.filter { state in groups.contains { $0.counts[state] ?? 0 > 0 } }
        let keys = fields.enumerated().map { index, field in
            (field.column(of: groups.map { $0.key[index] }), field.cells(groups.map { $0.key[index] }))
        }
        let counts: [(Table.Column, [String])] =
            [(.init("TASKS", isRightAligned: true, rank: states.isEmpty ? 0 : 1), groups.map { "\($0.total)" })]
            + states.map { state in
                (
                    .init(state.rawValue.uppercased(), isRightAligned: true, rank: 0),
                    groups.map { "\($0.counts[state] ?? 0)" }
                )
            }
        let latest: [(Table.Column, [String])] =
            hasLatest ? [(.init("LATEST"), groups.map(text))] : []
        let columns = isFailure ? counts + latest + keys : keys + counts + latest
        var table = Table(columns.map(\.0))
        table.rows = groups.indices.map { row in columns.map { $0.1[row].isEmpty ? Self.none : $0.1[row] } }
        return table
    }

    private func text(_ group: TaskTally) -> String {
        (isFull ? nil : group.latestNumber).map(String.init) ?? group.latest?.description ?? ""
    }

    var documents: [BSONDocument] {
        groups.map { group in
            let counts = TaskStatus.all.map { ($0.rawValue, BSONValue(smallest: group.counts[$0] ?? 0)) }
            var document: BSONDocument = [
                "group": .document(Self.key(fields, group.key)), "tasks": .init(smallest: group.total),
                "counts": .document(BSONDocument(elements: counts)),
            ]
            if let latest = group.latest { document.append("latest", .objectID(latest)) }
            if let number = group.latestNumber { document.append("latest_number", .init(smallest: number)) }
            return document
        }
    }

    static func key(_ fields: [TaskField], _ key: [BSONValue?]) -> BSONDocument {
        BSONDocument(elements: zip(fields, key).map { ($0.text, $1 ?? .null) })
    }
}
