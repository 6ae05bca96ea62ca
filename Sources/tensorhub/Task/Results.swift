import ArgumentParser
import BSON
import Console
import TensorHub

struct Results: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the results of finished tasks.",
        discussion: """
            A row for each task, with its hyper-parameters and what its script left
            behind; other states than finished only where --status or --where asks for
            them. --best ranks by one value: NaN is never best, and a task without it comes
            last.

            Examples:
              tensorhub results --name mnist --best test_accuracy --top 10
              tensorhub results --name mnist --best loss:min --csv > results.csv
            """
    )

    @OptionGroup var selection: SelectionOptions

    @Option(
        help: ArgumentHelp(
            "Rank by that value; the largest is best, with :min the smallest.",
            valueName: "key[:min|max]"
        )
    )
    var best: String?

    @Option(help: "Only so many of the best.")
    var top: Int?

    @Flag(help: "Write comma-separated values.")
    var csv = false

    @OptionGroup var ids: IDOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let isAboutState = try !selection.statuses.isEmpty || selection.short.isAboutState()
        let asked = try selection.selection()
        let ranking = try best.map { try Ranking($0) }
        if csv && output.json { throw CommandFailure.badInput("--csv and --json exclude each other; give one") }
        if let top {
            if ranking == nil { throw CommandFailure.badInput("--top needs --best, which says by what") }
            if top < 1 { throw CommandFailure.badInput("--top is \(top); it must be at least 1") }
        }
        let hub = try await connection.hub()
        let everyStatus = try await asked.tasks(of: hub)
        var selection = everyStatus
        if !isAboutState { selection.statuses = [.finished] }
        var tasks = try await hub.findTasks(selection)
        if let ranking, !tasks.isEmpty {
            tasks = try ranking.sorted(tasks)
            if let top { tasks = Array(tasks.prefix(top)) }
        }
        if output.json {
            StandardOutput.write(tasks.map(Self.document).jsonLines)
        } else if !tasks.isEmpty {
            let table = ResultTable(tasks, ids)
            StandardOutput.write(csv ? table.csv : table.text(isRanked: ranking != nil, width: StandardOutput.width))
        }
        if tasks.isEmpty { throw try await nothing(hub, everyStatus) }
    }

    private func nothing(_ hub: Hub, _ selection: TaskSelection) async throws -> CommandFailure {
        let counts = try await hub.countTasks(selection)
        let words = TaskStatus.all.compactMap { status in counts[status].map { "\($0) \(status)" } }
        let matched =
            words.isEmpty ? "no task matches" : "no finished task matches; there are " + words.joined(separator: ", ")
        return CommandFailure.nothingMatched(matched)
    }

    private static func document(_ task: TaskRecord) -> BSONDocument {
        var elements: [(String, BSONValue)] = [("_id", task.document["_id"] ?? .null)]
        if let number = task.number { elements.append(("number", .int64(Int64(number)))) }
        if let name = task.name { elements.append(("task_name", .string(name))) }
        elements += [
            ("status", .string(task.status.rawValue)),
            ("hyper_parameters", .document(task.hyperParameters ?? [:])),
            ("result", .document(task.result)),
        ]
        return BSONDocument(elements: elements)
    }
}
