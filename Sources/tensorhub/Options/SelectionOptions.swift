import ArgumentParser
import BSON
import Console
import TensorHub

/// Which tasks a verb is about: every condition that is given must hold.
struct SelectionOptions: ParsableArguments {
    @Argument(help: "Ids of tasks; - reads them from standard input, one a line.")
    var ids: [String] = []

    @Option(name: .customLong("name"), help: "Tasks of this name; may be repeated.")
    var names: [String] = []

    @Option(
        name: .customLong("status"),
        help: "Tasks in this state: pending, running, finished, failed or cancelled; may be repeated.",
        completion: .list(TaskStatus.all.map(\.rawValue))
    )
    var statuses: [String] = []

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"hyper_parameters.lr\": {\"$gt\": 0.1}}'.")
    var filter: String?

    /// - Throws: A failure of status 2 that names what cannot be used; 3 where standard input was to give ids and gave
    ///   none: an empty list must never become every task.
    func selection() throws -> TaskSelection {
        var selection = TaskSelection()
        for text in try idTexts() {
            guard let id = ObjectID(text) else {
                throw CommandFailure.badInput(
                    "'\(TerminalText.oneLine(text))' is not the id of a task; an id has 24 hexadecimal digits, and "
                        + "--name selects by name"
                )
            }
            selection.ids.append(id)
        }
        if names.contains("") {
            throw CommandFailure.badInput("--name is empty; give the name of tasks or leave it out")
        }
        selection.names = names
        for word in statuses.flatMap({ $0.bytes.split(separator: ",", omittingEmptySubsequences: false) }) {
            let status = TaskStatus(rawValue: word.text)
            guard TaskStatus.all.contains(status) else {
                let words = TaskStatus.all.map(\.rawValue).joined(separator: ", ")
                throw CommandFailure.badInput("--status '\(word)' is no state of a task; the states are \(words)")
            }
            selection.statuses.append(status)
        }
        if let filter { selection.filter = try Filter(extendedJSON: filter) }
        return selection
    }

    private func idTexts() throws(CommandFailure) -> [String] {
        guard ids.contains("-") else { return ids }
        let text = ByteOrderMark.dropped(from: try StandardInput.read()[...])
        let lines = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline)
        let piped = lines.map { String($0.drop(while: \.isWhitespace).prefix { !$0.isWhitespace }) }.filter {
            !$0.isEmpty
        }
        if piped.isEmpty {
            throw CommandFailure(ExitStatus.nothingMatched, "standard input gave no id of a task")
        }
        return ids.filter { $0 != "-" } + piped
    }
}

/// The selection of a verb that changes tasks: all of them only where that is said.
struct ChangeOptions: ParsableArguments {
    @OptionGroup var selection: SelectionOptions

    @Flag(help: "Every task of the project.")
    var all = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func checkedSelection() throws -> TaskSelection {
        let selection = try selection.selection()
        if selection.isAll && !all {
            throw CommandFailure.badInput(
                "no task is selected; give ids, --name, --status, --filter, or --all for every task"
            )
        }
        if all && !selection.isAll {
            throw CommandFailure.badInput("--all means every task; leave it out, or the other conditions")
        }
        return selection
    }

    /// Selects, changes, and says how many.
    ///
    /// - Parameters:
    ///   - done: The past participle: `cancelled`.
    ///   - condition: What a task must be for the change to concern it, for the message when none is.
    func change(
        _ done: String,
        where condition: String,
        _ body: (Hub, TaskSelection) async throws -> Int
    ) async throws {
        let selection = try checkedSelection()
        let count = try await body(try await connection.hub(), selection)
        if output.json {
            StandardOutput.receipt(BSONDocument(elements: [(done, .init(smallest: count))]).extendedJSON() + "\n")
        }
        if count == 0 {
            throw CommandFailure(
                ExitStatus.nothingMatched,
                "nothing was \(done): no task of the selection is \(condition)"
            )
        }
        let others = Set(selection.ids).count - count
        let rest = others > 0 ? " (\(counted(others, "other id")): not there, or not \(condition))" : ""
        StandardError.line("\(counted(count, "task")) \(done)\(rest)")
    }
}
