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
            last. --group-by puts tasks together, as those of several seeds: number, mean
            and standard error of each result, and of the duration.

            Examples:
              tensorhub results --name mnist --best test_accuracy --top 10
              tensorhub results --name mnist --best loss:min --csv > results.csv
              tensorhub results --name mnist --group-by lr --best test_accuracy
              tensorhub results --sort loss:min,lr --columns name,lr,loss,host,duration
            """
    )

    @OptionGroup var selection: SelectionOptions

    @Option(
        help: ArgumentHelp(
            "Rank by that value; the largest is best, with :min the smallest. Names as loss need one of both.",
            valueName: "key[:min|max]"
        )
    )
    var best: String?

    @Option(help: "The order, such as loss:min,lr or duration:max.")
    var sort: String?

    @Option(help: "Only so many of the best, or the first of the order.")
    var top: Int?

    @Option(
        name: .customLong("group-by"),
        help: ArgumentHelp("Number, mean and standard error for each: lr, host, name, ...", valueName: "names")
    )
    var groups: String?

    @Option(help: ArgumentHelp("These columns alone: name,lr,loss,host,duration.", valueName: "names"))
    var columns: String?

    @Flag(help: "Write comma-separated values.")
    var csv = false

    @OptionGroup var ids: IDOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let isAboutState = try !selection.statuses.isEmpty || selection.short.isAboutState()
        let asked = try selection.selection()
        let ranking = try best.map { try Ranking($0) }
        let order = try sort.map { try TaskOrder($0) }
        try check()
        let hub = try await connection.hub()
        let everyStatus = try await asked.tasks(of: hub)
        var selection = everyStatus
        if !isAboutState { selection.statuses = [.finished] }
        let isAny =
            if let groups {
                try await compare(groups, selection, ranking, order, hub)
            } else {
                try await list(selection, ranking, order, hub)
            }
        if !isAny { throw try await nothing(hub, everyStatus) }
    }

    private func check() throws {
        if csv && output.json { throw CommandFailure.badInput("--csv and --json exclude each other; give one") }
        if best != nil && sort != nil {
            throw CommandFailure.badInput("--best and --sort both give an order; give one")
        }
        if let columns, groups == nil { _ = try TaskField.columns(columns) }
        if let groups, try TaskField.list(groups, option: "--group-by", isSingle: true).contains(.own(.script)) {
            throw CommandFailure.badInput(
                "--group-by: 'script' is for `tensorhub ls` alone; group by name or a parameter"
            )
        }
        guard let top else { return }
        if best == nil && sort == nil {
            throw CommandFailure.badInput("--top needs --best or --sort, which say by what")
        }
        if top < 1 { throw CommandFailure.badInput("--top is \(top); it must be at least 1") }
    }

    /// - Returns: Whether there was any task.
    private func list(
        _ selection: TaskSelection,
        _ ranking: Ranking?,
        _ order: TaskOrder?,
        _ hub: Hub
    ) async throws -> Bool {
        let fields = try columns.map { try TaskField.columns($0) }
        var tasks: [TaskRecord]
        if let order {
            tasks = try await hub.findTasks(selection, order: order, limit: nil)
        } else {
            tasks = try await hub.findTasks(selection)
        }
        if !tasks.isEmpty {
            try await hub.check(order?.keys.map(\.field) ?? [], option: "sort", among: tasks)
            try await hub.check(fields ?? [], option: "--columns", among: tasks)
            if let ranking { tasks = try ranking.sorted(tasks) }
            if let top { tasks = Array(tasks.prefix(top)) }
        }
        let chosen = fields.map { FieldTable(fields: $0, tasks: tasks, now: .now, label: ids.text) }
        if output.json {
            StandardOutput.write((chosen?.documents ?? tasks.map(Self.document)).jsonLines)
        } else if !tasks.isEmpty {
            StandardOutput.write(text(tasks, chosen, isRanked: ranking != nil))
        }
        return !tasks.isEmpty
    }

    private func text(_ tasks: [TaskRecord], _ chosen: FieldTable?, isRanked: Bool) -> String {
        let width = StandardOutput.width
        if let chosen { return csv ? chosen.csv : chosen.table(isRanked: isRanked).text(width: width) }
        let table = ResultTable(tasks, ids)
        return csv ? table.csv : table.text(isRanked: isRanked, width: width)
    }

    /// - Returns: Whether there was any task.
    private func compare(
        _ names: String,
        _ selection: TaskSelection,
        _ ranking: Ranking?,
        _ order: TaskOrder?,
        _ hub: Hub
    ) async throws -> Bool {
        let fields = try TaskField.list(names, option: "--group-by", isSingle: true)
        var groups = ResultGroups(fields: fields, groups: try await hub.groupResults(selection, by: fields))
        if groups.isLacking { try await hub.check(fields, option: "--group-by") }
        if !groups.isEmpty {
            if let columns { try groups.keep(columns) }
            if let ranking { try groups.sort(by: [(ranking.key, ranking.isSmallestBest)], option: "--best") }
            if let order { try groups.sort(by: order.keys.map { ($0.field.text, $0.isAscending) }, option: "--sort") }
            if let top { groups.cut(to: top) }
        }
        if output.json {
            StandardOutput.write(groups.documents.jsonLines)
        } else if !groups.isEmpty {
            StandardOutput.write(csv ? groups.csv : groups.table.text(width: StandardOutput.width))
        }
        return !groups.isEmpty
    }

    private func nothing(_ hub: Hub, _ selection: TaskSelection) async throws -> CommandFailure {
        let counts = try await hub.countTasks(selection)
        let words = TaskStatus.all.compactMap { status in counts[status].map { "\($0) \(status)" } }
        if words.isEmpty { return await NothingMatched.failure(selection, hub) }
        return CommandFailure.nothingMatched("no finished task matches; there are " + words.joined(separator: ", "))
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
