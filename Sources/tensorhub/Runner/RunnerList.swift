import ArgumentParser
import BSON
import Console
import TensorHub

struct RunnerList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List the runners of the project.",
        discussion: """
            A runner that has been silent for two of its leases is lost: its tasks are
            rescued by others. SLOTS and DONE are what it told when it was last seen.

            Examples:
              tensorhub runner ls
              tensorhub runner ls --json | jq -r '.[] | select(.state == "lost").name'
            """
    )

    @Flag(help: "List runners that have stopped too.")
    var allStates = false

    @OptionGroup var listing: ListingOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let hub = try await connection.hub()
        let known = try await hub.findRunners()
        let runners = known.filter { allStates || $0.state != .stopped }
        try await listing.write(ids: runners.map(\.id.description), runners.map(\.shown)) {
            // Fresher than what the runners told.
            Self.table(runners, try await hub.countAttempts(of: runners.map(\.id)))
        }
        let stopped = Self.stopped(known.filter { $0.state == .stopped })
        if runners.isEmpty {
            throw CommandFailure.nothingMatched(
                stopped ?? "no runner of project \(hub.project) is known; start tensorhubd on a machine"
            )
        }
        if !listing.quiet, !listing.output.json {
            for text in runners.compactMap(\.pauseText) { StandardError.line(TerminalText.oneLine(text)) }
        }
        if !allStates, !listing.quiet, !listing.output.json, let stopped { StandardError.line(stopped) }
    }

    /// Which runners have stopped, and how to see more of them.
    private static func stopped(_ runners: [RunnerRecord]) -> String? {
        if runners.isEmpty { return nil }
        let names = runners.map { $0.name ?? "\($0.id)" }.uniqueByBytes()
        let shown = names.prefix(10).map(TerminalText.oneLine).joined(separator: ", ")
        let rest = names.count > 10 ? " and \(names.count - 10) more" : ""
        return "\(counted(runners.count, "runner")) stopped: \(shown)\(rest); --all-states lists them too"
    }

    static func table(_ runners: [RunnerRecord], _ running: [ObjectID: Int]) -> Table {
        var table = Table([
            .init("ID"), .init("NAME", isElastic: true), .init("HOST", isElastic: true), StateColour.column("STATE"),
            .init("RUNNING", isRightAligned: true), .init("SLOTS", isRightAligned: true),
            .init("DONE", isRightAligned: true), .init("SEEN", isRightAligned: true),
            .init("LABELS", isElastic: true),
        ])
        table.rows = runners.map { runner in
            [
                "\(runner.id)", runner.name ?? "", runner.host ?? "", runner.stateText,
                "\(running[runner.id] ?? 0)", runner.slotsText, "\(runner.done)",
                runner.silence.map { "\($0.shortText) ago" } ?? "", runner.labels.tableText,
            ]
        }
        return table
    }
}
