import BSON
import Console
import TensorHub

/// Means and standard errors of groups of tasks, for people and for programs.
struct ResultGroups {
    let fields: [TaskField]
    private(set) var groups: [ResultGroup]
    /// The results that are shown, and whether the duration is.
    private var names: Columns
    private var hasDuration: Bool

    private static let duration = "duration"
    private static let number = "n"

    init(fields: [TaskField], groups: [ResultGroup]) {
        self.fields = fields
        self.groups = groups
        names = Columns(groups.flatMap { $0.results.map(\.name) })
        hasDuration = groups.contains { $0.duration != nil }
    }

    var isEmpty: Bool { groups.isEmpty }

    /// Whether some tasks have no value of a field.
    var isLacking: Bool { groups.isEmpty || groups.contains { $0.key.contains { $0 == nil } } }

    mutating func cut(to count: Int) { groups = Array(groups.prefix(count)) }

    // MARK: What is shown

    /// Leaves out the other results.
    ///
    /// - Throws: A failure of status 2 for a name of none of them.
    mutating func keep(_ text: String) throws {
        var kept = Columns()
        hasDuration = false
        for field in try TaskField.list(text, option: "--columns") {
            // These are there anyway.
            if fields.contains(where: { $0.place == field.place }) || field.text.bytes == Self.number.bytes { continue }
            if field == .own(.duration) {
                hasDuration = true
            } else {
                let name = Self.bare(field.text)
                if !names.contains(name) { throw unknown(field.text, option: "--columns") }
                kept.insert(name)
            }
        }
        names = kept
    }

    private static func bare(_ name: String) -> String { name.bytes.dropping("result.") ?? name }

    private func unknown(_ name: String, option: String) -> CommandFailure {
        let known = names.names + [Self.duration, Self.number] + fields.map(\.text)
        let near = NearNames.of(Self.bare(name), among: known)
        return .badInput(
            TerminalText.oneLine(
                "\(option): the groups have no '\(name)'; "
                    + (near.isEmpty ? "they have \(known.joined(separator: ", "))" : "did you mean '\(near[0])'?")
            )
        )
    }

    // MARK: Order

    /// Numbers come first, then what else has a value, then NaN and nothing; equals stay in their order.
    ///
    /// - Throws: A failure of status 2 for a name that is neither a result, `n`, the duration nor a field.
    mutating func sort(by keys: [(name: String, isAscending: Bool)], option: String) throws(CommandFailure) {
        for (name, _) in keys where !groups.contains(where: { value(name, $0) != nil }) {
            throw unknown(name, option: option)
        }
        let values = groups.map { group in keys.map { value($0.name, group) } }
        let order = groups.indices.sorted { a, b in
            for (index, key) in keys.enumerated() {
                let (one, other) = (Self.place(values[a][index]), Self.place(values[b][index]))
                if one.rank != other.rank { return one.rank < other.rank }
                if one.number != other.number { return (one.number < other.number) == key.isAscending }
                if one.text != other.text { return (one.text < other.text) == key.isAscending }
            }
            return a < b
        }
        groups = order.map { groups[$0] }
    }

    private static func place(_ value: BSONValue?) -> (rank: Int, number: Double, text: ByteString) {
        guard let value, value != .null else { return (2, 0, "") }
        guard let number = value.doubleValue else { return (1, 0, value.tableText.bytes) }
        return number.isNaN ? (2, 0, "") : (0, number, "")
    }

    private func value(_ name: String, _ group: ResultGroup) -> BSONValue? {
        if let index = fields.firstIndex(where: { $0.text.bytes == name.bytes }) { return group.key[index] }
        if let found = summary(Self.bare(name), group) { return .double(found.mean) }
        switch name.bytes {
        case "n": return .init(smallest: group.n)
        case "duration": return group.duration.map { .double($0.mean) }
        default: return nil
        }
    }

    private func summary(_ name: String, _ group: ResultGroup) -> ResultGroup.Summary? {
        group.results.first { $0.name.bytes == name.bytes }?.summary
    }

    // MARK: Writing

    var table: Table {
        var columns: [(Table.Column, [String])] = fields.enumerated().map { index, field in
            let values = groups.map { $0.key[index] }
            return (field.column(of: values), field.cells(values).map { $0.isEmpty ? GroupTable.none : $0 })
        }
        columns.append((.init("N", isRightAligned: true), groups.map { "\($0.n)" }))
        if hasDuration {
            let cells = groups.map { $0.duration.map(Self.text) ?? "" }
            columns.append((.init("DURATION", isRightAligned: true), cells))
        }
        for name in names.names { columns.append((.init(name, isRightAligned: true), cells(name))) }
        var table = Table(columns.map(\.0))
        table.rows = groups.indices.map { row in columns.map { $0.1[row] } }
        return table
    }

    private static func text(_ duration: ResultGroup.Summary) -> String {
        TaskField.length(duration.mean) + (duration.error.map { " ± \(TaskField.length($0))" } ?? "")
    }

    /// Mean, error, and the number where not all tasks of the group have the value, each below each other.
    private func cells(_ name: String) -> [String] {
        let found = groups.map { summary(name, $0) }
        let parts: [[String]] = [
            found.map { $0.map { ShownNumber.text($0.mean) } ?? "" },
            found.map { $0?.error.map { " ± \(ShownNumber.text($0, digits: 2))" } ?? "" },
            zip(found, groups).map { summary, group in summary.map { $0.n == group.n ? "" : " (\($0.n))" } ?? "" },
        ]
        let columns: [[String]] = [ShownNumber.aligned(parts[0]), Self.padded(parts[1]), Self.padded(parts[2])]
        return groups.indices.map { row in columns.map { $0[row] }.joined() }
    }

    private static func padded(_ texts: [String]) -> [String] {
        let width = texts.map { TerminalText.width($0) }.max() ?? 0
        return texts.map { $0 + String(repeating: " ", count: width - TerminalText.width($0)) }
    }

    /// Whole numbers and all their digits; seconds.
    var csv: String {
        func titles(_ name: String) -> [String] { ["\(name).n", "\(name).mean", "\(name).stderr"] }
        func cells(_ summary: ResultGroup.Summary?) -> [String] {
            guard let summary else { return ["", "", ""] }
            return [
                "\(summary.n)", BSONValue.double(summary.mean).tableText,
                summary.error.map { BSONValue.double($0).tableText } ?? "",
            ]
        }
        var head = fields.map(\.text) + [Self.number]
        if hasDuration { head += titles(Self.duration) }
        for name in names.names { head += titles(name.bytes == Self.duration.bytes ? "result.\(name)" : name) }
        let rows = groups.map { group -> [String] in
            var row = group.key.map { $0?.tableText ?? "" } + ["\(group.n)"]
            if hasDuration { row += cells(group.duration) }
            for name in names.names { row += cells(summary(name, group)) }
            return row
        }
        return CSV.text([head] + rows)
    }

    var documents: [BSONDocument] {
        func document(_ summary: ResultGroup.Summary) -> BSONValue {
            var document: BSONDocument = ["n": .init(smallest: summary.n), "mean": .double(summary.mean)]
            if let error = summary.error { document.append("stderr", .double(error)) }
            return .document(document)
        }
        return groups.map { group in
            var result: BSONDocument = [
                "group": .document(GroupTable.key(fields, group.key)), "n": .init(smallest: group.n),
            ]
            if hasDuration, let duration = group.duration { result.append(Self.duration, document(duration)) }
            let results = names.names.compactMap { name in summary(name, group).map { (name, document($0)) } }
            result.append("results", .document(BSONDocument(elements: results)))
            return result
        }
    }
}
