import ArgumentParser
import BSON
import Console
import TensorHub

struct LogList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List entries of a log, the newest last; -f goes on with what comes.",
        discussion: """
            Examples:
              tensorhub log ls training --name mnist -f
              tensorhub log ls validation --sort accuracy:-1 --limit 1 --json
              tensorhub log ls testing --task 412 --csv
            """
    )

    @Argument(help: LogKindName.help, completion: LogKindName.completion, transform: LogKindName.parse)
    var kind: LogKind

    @OptionGroup var selection: LogSelectionOptions

    @Option(help: "The order, such as 'loss:1,step:1'; the limit then keeps the first.")
    var sort: String?

    @OptionGroup var limit: LimitOptions

    @Flag(name: .shortAndLong, help: "Go on with new entries, a line each, until interrupted.")
    var follow = false

    @Flag(help: "Write comma-separated values.")
    var csv = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let order = try sort.map { try Sort($0) }
        try limit.check()
        if csv && output.json { throw CommandFailure.badInput("--csv and --json exclude each other; give one") }
        if follow && order != nil {
            throw CommandFailure.badInput("-f shows entries as they come; leave --sort out")
        }
        if follow && csv {
            throw CommandFailure.badInput("-f and --csv exclude each other: new columns could come; use --json")
        }
        let (hub, filter) = try await selection.open(connection)
        if follow {
            try await selection.checkTasks(kind, filter, hub)
            return try await follow(hub, filter)
        }

        var entries = try await hub.logs(kind, filter, sort: order ?? .newest, limit: limit.asked)
        let isCut = limit.cut(&entries)
        if order == nil { entries.reverse() }
        if output.json {
            StandardOutput.write(entries.map(\.document).jsonLines)
        } else if !entries.isEmpty {
            let table = LogTable(entries)
            StandardOutput.write(csv ? table.csv : table.text(width: StandardOutput.width))
        }
        if entries.isEmpty {
            throw try await selection.nothing(kind, hub)
        }
        if isCut { limit.tellCut(order == nil ? "newest" : "first") }
    }

    private func follow(_ hub: Hub, _ filter: Filter) async throws {
        try await hub.followLogs(kind, filter, newest: limit.most, onInterruption: Outage.tell) { entry in
            if output.json {
                StandardOutput.line(entry.document.extendedJSON())
            } else {
                let task = entry.origin.map { "\($0.task)  " } ?? ""
                StandardOutput.line(
                    TerminalText.oneLine("\(entry.time?.shownText ?? "")  \(task)\(entry.values.tableText)")
                )
            }
        }
    }
}
