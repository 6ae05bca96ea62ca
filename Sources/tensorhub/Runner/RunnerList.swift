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

    @Flag(name: .shortAndLong, help: "Write the ids alone.")
    var quiet = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let hub = try await connection.hub()
        let runners = try await hub.findRunners().filter { allStates || $0.state != .stopped }
        if output.json {
            StandardOutput.write(runners.map(\.shown).jsonLines)
        } else if quiet {
            StandardOutput.write(runners.map { "\($0.id)\n" }.joined())
        } else if !runners.isEmpty {
            // Fresher than what the runners told.
            let running = try await hub.countAttempts(of: runners.map(\.id))
            StandardOutput.write(Self.table(runners, running).text(width: StandardOutput.width))
        }
        if runners.isEmpty {
            throw CommandFailure(
                ExitStatus.nothingMatched,
                "no runner of project \(hub.project) is known; start tensorhubd on a machine"
            )
        }
    }

    static func table(_ runners: [RunnerRecord], _ running: [ObjectID: Int]) -> Table {
        var table = Table([
            .init("ID"), .init("NAME", isElastic: true), .init("HOST", isElastic: true), .init("STATE"),
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

extension RunnerRecord {
    /// What it does, and what it was asked for and does not do yet.
    var stateText: String {
        guard let control, state != .stopped, state != .lost else { return state.rawValue }
        switch (control.request, state) {
        case (.drain, .draining), (.drain, .drained), (.pause, .paused), (.resume, .running), (.stop, .stopping),
            (_, .stopping):
            return state.rawValue
        default:
            return "\(state) (asked to \(control.request.rawValue))"
        }
    }

    /// `4`, or `3+1 blocked` where one is out of service.
    var slotsText: String { blocked == 0 ? "\(slots)" : "\(slots - blocked)+\(blocked) blocked" }

    /// The document with the state as it is seen from here: `lost` is in no document.
    var shown: BSONDocument {
        var document = document
        document["state"] = .string(state.rawValue)
        if let silence { document["silence"] = .double(silence / .seconds(1)) }
        return document
    }
}
