import ArgumentParser
import BSON
import Console
import TensorHub

/// Which tasks a verb is about: every condition that is given must hold.
struct SelectionOptions: ParsableArguments {
    @Argument(
        help: """
            Tasks: 412, 410..420, 24 digits, @last for those of your latest submit; - reads them from standard input, \
            one a line.
            """,
        completion: Completion.tasks
    )
    var ids: [String] = []

    @Option(
        name: .customLong("name"),
        help: "Tasks of this name; may be repeated.",
        completion: Completion.taskNames
    )
    var names: [String] = []

    @Option(
        name: .customLong("status"),
        help: "Tasks in this state: pending, running, finished, failed or cancelled; may be repeated.",
        completion: .list(TaskStatus.all.map(\.rawValue))
    )
    var statuses: [String] = []

    @OptionGroup var short: WhereOptions

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"hyper_parameters.lr\": {\"$gt\": 0.1}}'.")
    var filter: String?

    /// - Throws: A failure of status 2 that names what cannot be used; 3 where standard input was to give ids and gave
    ///   none: an empty list must never become every task.
    func selection() throws -> AskedTasks {
        var selection = TaskSelection()
        let references = try idTexts().map { text in
            do {
                return try TaskID.parse(text)
            } catch let error as HubError {
                throw CommandFailure.badInput("\(TerminalText.oneLine(error.message)); --name selects by name")
            }
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
        selection.filter = try WhereOptions.filter(filter)
        return AskedTasks(references: references, selection: selection, conditions: try short.checked(for: .tasks))
    }

    private func idTexts() throws(CommandFailure) -> [String] {
        guard ids.contains("-") else { return ids }
        let text = ByteOrderMark.dropped(from: try StandardInput.read()[...])
        let lines = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isNewline)
        let piped = lines.map { String($0.drop(while: \.isWhitespace).prefix { !$0.isWhitespace }) }.filter {
            !$0.isEmpty
        }
        if piped.isEmpty {
            throw CommandFailure.nothingMatched("standard input gave no id of a task")
        }
        return ids.filter { $0 != "-" } + piped
    }
}
