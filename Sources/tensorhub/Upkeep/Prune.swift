import ArgumentParser
import BSON
import Console
import TensorHub

struct Prune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete what is old: ended tasks with their output, logs, models, data sets.",
        discussion: """
            Never deleted: tasks that run or wait, models that hold a stage, data sets that a
            kept model was made from, tasks that made a kept model or data set, log entries
            of a task that is there.

            Examples:
              tensorhub prune --older-than 90d --dry-run
              tensorhub prune --kind models --name mlp --keep 5
              tensorhub prune --kind tasks --status failed --older-than 7d
            """
    )

    @Option(
        name: .customLong("kind"),
        help: "tasks, logs, models or datasets; may be repeated; all of them unless given.",
        completion: .list(Retention.Kind.allCases.map(\.rawValue))
    )
    var kinds: [String] = []

    @Option(help: "Only what is older: 12h, 30d. A task's age counts from its end.")
    var olderThan: String?

    @Option(help: "Of tasks, models and data sets: those of this name.")
    var name: String?

    @Option(
        name: .customLong("status"),
        help: "Of tasks: finished, failed or cancelled; may be repeated; alone it means tasks and their logs."
    )
    var statuses: [String] = []

    @Option(help: "So many of the newest versions of each model and data set stay, whatever their age.")
    var keep: Int?

    @Flag(help: "Delete nothing; say what would be.")
    var dryRun = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        if olderThan == nil && keep == nil && statuses.isEmpty {
            throw CommandFailure.badInput("nothing says what is old; give --older-than, --keep or --status")
        }
        var retention = Retention(olderThan: try age(), name: name)
        retention.keeping = keep ?? 0
        if !statuses.isEmpty {
            retention.statuses = statuses.flatMap { $0.bytes.split(separator: ",") }.map {
                TaskStatus(rawValue: $0.text)
            }
            retention.kinds = [.tasks, .logs]
        } else if olderThan == nil {
            // Tasks and logs have no versions to be kept.
            retention.kinds = [.models, .dataSets]
        }
        if !kinds.isEmpty { retention.kinds = Set(try kinds.flatMap { $0.bytes.split(separator: ",") }.map(Self.kind)) }
        if !statuses.isEmpty, !retention.kinds.contains(.tasks) {
            throw CommandFailure.badInput(
                "--status is about tasks, and --kind \(kinds.joined(separator: ",")) leaves them out; leave one of the two out"
            )
        }
        if olderThan == nil && statuses.isEmpty && !retention.kinds.isDisjoint(with: [.tasks, .logs]) {
            throw CommandFailure.badInput(
                "--keep counts versions of models and data sets; give --older-than for the rest"
            )
        }
        let hub = try await connection.hub()
        let report = try await hub.prune(retention, dryRun: dryRun)
        if output.json {
            StandardOutput.receipt(Self.document(report).extendedJSON(pretty: true) + "\n")
        } else {
            StandardOutput.receipt(Self.lines(report))
        }
        for kept in report.kept {
            let version = kept.version.map { " version \($0)" } ?? ""
            let what = kept.name.isEmpty ? "\(kept.id)" : "'\(kept.name)'\(version)"
            StandardError.line(TerminalText.oneLine("kept of \(kept.kind.words): \(what), which \(kept.reason)"))
        }
        if report.isEmpty { throw try await nothing(retention, report, hub) }
        let counts = Retention.Kind.allCases.compactMap { kind in
            report.counts[kind].flatMap { $0 > 0 ? "\($0) of \(kind.words)" : nil }
        }
        StandardError.line((dryRun ? "would delete: " : "deleted: ") + counts.joined(separator: ", "))
    }

    /// A number alone would be seconds, and what is meant by it days.
    private func age() throws(CommandFailure) -> Duration? {
        guard let text = olderThan else { return nil }
        guard let last = text.last, !last.isNumber, last != "." else {
            throw .badInput("--older-than '\(text)' has no unit; write \(text)d for days, \(text)h for hours")
        }
        let age = try WrittenTime.duration(text, "--older-than")
        if let age, age <= .zero {
            throw .badInput("--older-than '\(text)' would be everything; give an age, such as 30d")
        }
        return age
    }

    private static func kind(_ word: ByteString) throws(CommandFailure) -> Retention.Kind {
        if let kind = Retention.Kind(rawValue: word.text) { return kind }
        let words = Retention.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw .badInput("--kind '\(word)' is no kind of document; the kinds are \(words)")
    }

    /// Why nothing went.
    private func nothing(_ retention: Retention, _ report: PruneReport, _ hub: Hub) async throws -> CommandFailure {
        var reason = report.kept.isEmpty ? "nothing of that is old enough" : "what is old enough is kept"
        if report.kept.isEmpty, let name {
            var isThere = false
            let query = ContentQuery(name: name)
            if retention.kinds.contains(.models) {
                isThere = try await !hub.findModels(query, limit: 1).isEmpty
            }
            if !isThere, retention.kinds.contains(.dataSets) {
                isThere = try await !hub.findDataSets(query, limit: 1).isEmpty
            }
            if !isThere, retention.kinds.contains(.tasks) {
                isThere = try await !hub.findTasks(.named(name), limit: 1).isEmpty
            }
            if !isThere {
                let kinds = Retention.Kind.allCases.filter { $0 != .logs && retention.kinds.contains($0) }
                let words = kinds.map(\.rawValue).joined(separator: ", ")
                reason =
                    kinds.isEmpty
                    ? "log entries have no name but that of their task; give --kind tasks, logs"
                    : "there is nothing named '\(name)' among \(words) of project \(hub.project)"
            }
        }
        return CommandFailure.nothingMatched(TerminalText.oneLine("nothing was deleted: \(reason)"))
    }

    /// The ids of models and data sets, for `xargs` and for a look before.
    private static func lines(_ report: PruneReport) -> String {
        var table = Table([.init("KIND"), .init("ID"), .init("NAME"), .init("VERSION", isRightAligned: true)])
        table.rows =
            report.models.map {
                ["model", $0.id?.description ?? "", $0.name ?? "", $0.version.map(String.init) ?? ""]
            }
            + report.dataSets.map {
                ["dataset", $0.id?.description ?? "", $0.name ?? "", $0.version.map(String.init) ?? ""]
            }
        return table.rows.isEmpty ? "" : table.text(width: StandardOutput.width)
    }

    private static func document(_ report: PruneReport) -> BSONDocument {
        BSONDocument(
            elements: Retention.Kind.allCases.map { ($0.rawValue, .init(smallest: report.counts[$0] ?? 0)) } + [
                (
                    "kept",
                    .array(
                        report.kept.map {
                            [
                                "kind": .string($0.kind.rawValue), "id": .objectID($0.id), "name": .string($0.name),
                                "version": $0.version.map { BSONValue(smallest: $0) } ?? .null,
                                "reason": .string($0.reason),
                            ]
                        }
                    )
                )
            ]
        )
    }
}

extension Retention.Kind {
    fileprivate var words: String {
        switch self {
        case .tasks: "the tasks"
        case .logs: "the log entries"
        case .models: "the models"
        case .dataSets: "the data sets"
        }
    }
}
