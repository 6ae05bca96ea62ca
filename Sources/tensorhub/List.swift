import ArgumentParser
import BSON
import Console
import TensorHub

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List tasks, the newest last.",
        discussion: """
            Examples:
              tensorhub ls --name mnist --status failed
              tensorhub ls --filter '{"hyper_parameters.lr": {"$gt": 0.1}}'
              tensorhub ls --json | jq -r '.[].result.test_accuracy'
            """
    )

    @OptionGroup var selection: SelectionOptions

    @Option(name: .shortAndLong, help: "At most so many, the newest; 0 lists all.")
    var limit = 50

    @Option(help: "The order, such as 'hub.priority:-1,time:1'; the limit then keeps the first.")
    var sort: String?

    @Flag(name: .shortAndLong, help: "Write the ids alone.")
    var quiet = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let selection = try selection.selection()
        let order = try sort.map { try Sort($0) }
        if limit < 0 { throw CommandFailure.badInput("--limit is \(limit); it must be 0 or more") }
        // The index of `_id` gives the newest without a sort over the whole project.
        var tasks = try await connection.hub().findTasks(
            selection,
            sort: order ?? .descending("_id"),
            limit: limit == 0 ? nil : limit + 1
        )
        let isCut = limit > 0 && tasks.count > limit
        if isCut { tasks.removeLast() }
        if order == nil { tasks.sort { Self.place($0) < Self.place($1) } }

        if output.json {
            StandardOutput.write(tasks.map(\.document).jsonLines)
        } else if quiet {
            StandardOutput.write(tasks.compactMap(\.id).map { "\($0)\n" }.joined())
        } else if !tasks.isEmpty {
            StandardOutput.write(Self.table(tasks, now: .now).text(width: StandardOutput.width))
        }
        if tasks.isEmpty { throw CommandFailure(ExitStatus.nothingMatched, "no task matches") }
        if isCut {
            let which = order == nil ? "newest" : "first"
            StandardError.line("only the \(which) \(limit) are listed; --limit 0 lists all")
        }
    }

    /// Identifiers of several programs that come within one second are in no order; times are.
    private static func place(_ task: TaskRecord) -> (time: Int64, id: String) {
        (task.time?.millisecondsSince1970 ?? .min, task.id?.description ?? "")
    }

    static func table(_ tasks: [TaskRecord], now: BSONDateTime) -> Table {
        var table = Table([
            .init("ID"), .init("NAME", isElastic: true), .init("STATUS"), .init("ATTEMPT", isRightAligned: true),
            .init("AGE", isRightAligned: true), .init("DURATION", isRightAligned: true),
            .init("HYPER-PARAMETERS", isElastic: true), .init("RESULT", isElastic: true),
        ])
        table.rows = tasks.map { task in
            [
                task.document["_id"]?.tableText ?? "", task.name ?? "", task.state,
                String(task.attempt), task.time.map { now.since($0).shortText } ?? "",
                task.duration(now: now)?.shortText ?? "", task.hyperParameters?.tableText ?? "",
                task.status == .failed ? task.error?.message ?? "" : task.result.tableText,
            ]
        }
        return table
    }
}
