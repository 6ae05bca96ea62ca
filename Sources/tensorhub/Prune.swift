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
        var retention = Retention(olderThan: try Submit.duration(olderThan, "--older-than"), name: name)
        retention.keeping = keep ?? 0
        if !statuses.isEmpty {
            retention.statuses = statuses.flatMap { $0.split(separator: ",") }.map { TaskStatus(rawValue: String($0)) }
            retention.kinds = [.tasks, .logs]
        } else if olderThan == nil {
            // Tasks and logs have no versions to be kept.
            retention.kinds = [.models, .dataSets]
        }
        if !kinds.isEmpty { retention.kinds = Set(try kinds.flatMap { $0.split(separator: ",") }.map(Self.kind)) }
        if olderThan == nil && statuses.isEmpty && !retention.kinds.isDisjoint(with: [.tasks, .logs]) {
            throw CommandFailure.badInput(
                "--keep counts versions of models and data sets; give --older-than for the rest"
            )
        }
        let report = try await connection.hub().prune(retention, dryRun: dryRun)
        if output.json {
            StandardOutput.line(Self.document(report).extendedJSON(pretty: true))
        } else {
            StandardOutput.write(Self.lines(report))
        }
        for kept in report.kept {
            let version = kept.version.map { " version \($0)" } ?? ""
            let what = kept.name.isEmpty ? "\(kept.id)" : "'\(kept.name)'\(version)"
            StandardError.line(TerminalText.oneLine("kept of \(kept.kind.words): \(what), which \(kept.reason)"))
        }
        if report.isEmpty { throw CommandFailure(ExitStatus.nothingMatched, "nothing is old enough") }
        let counts = Retention.Kind.allCases.compactMap { kind in
            report.counts[kind].flatMap { $0 > 0 ? "\($0) of \(kind.words)" : nil }
        }
        StandardError.line((dryRun ? "would delete: " : "deleted: ") + counts.joined(separator: ", "))
    }

    private static func kind(_ word: Substring) throws(CommandFailure) -> Retention.Kind {
        if let kind = Retention.Kind(rawValue: String(word)) { return kind }
        let words = Retention.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw .badInput("--kind '\(word)' is no kind of document; the kinds are \(words)")
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
