import ArgumentParser
import BSON
import Console
import TensorHub

struct RunnerShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show all about one runner, with the tasks that it runs now.",
        discussion: """
            Example:
              tensorhub runner show gpu1
            """
    )

    @Argument(
        help: "The name or the id of the runner, or the beginning of its id.",
        completion: Completion.runners
    )
    var runner: String

    @OptionGroup var ids: IDOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let hub = try await connection.hub()
        let runner = try await hub.runner(runner)
        // Fresher than what the runner told at its last sign of life.
        let tasks = try await hub.findTasks(
            TaskSelection(statuses: [.running], filter: FieldPath("hub.lease.runner") == .objectID(runner.id))
        )
        var document = runner.shown
        document["running"] = .array(tasks.compactMap { $0.attemptID.map { .document($0.document) } })
        output.show(document, or: text(runner, tasks, now: .now))
    }

    private func text(_ runner: RunnerRecord, _ tasks: [TaskRecord], now: BSONDateTime) -> String {
        let facts: [(String, String?)] = [
            ("id", "\(runner.id)"),
            ("name", runner.name),
            ("host", runner.host),
            ("pid", runner.pid.map(String.init)),
            ("version", runner.version),
            ("project", runner.document["project"]?.stringValue),
            ("state", runner.stateText),
            ("asked for", runner.control.map { $0.words }),
            ("slots", runner.slotsText),
            ("done", "\(runner.done)"),
            ("damaged", runner.damaged == 0 ? nil : "\(runner.damaged): named in its log, set aside in lost/"),
            ("lacks", runner.lacks.isEmpty ? nil : runner.lackTexts.joined(separator: "; ")),
            ("started", runner.started?.shownText),
            (
                "last seen",
                runner.heartbeat.map { $0.shownText + (runner.silence.map { " (\($0.shortText) ago)" } ?? "") }
            ),
            ("lease", runner.lease?.shortText),
            ("labels", runner.labels.isEmpty ? nil : runner.labels.tableText),
            ("task names", runner.taskNames.isEmpty ? nil : runner.taskNames.joined(separator: ", ")),
            ("filter", runner.filter.document.isEmpty ? nil : runner.filter.description),
            ("sort", runner.sort?.document.description),
        ]
        var text = FactLines.text(facts + runner.refused.map { ("refused", $0.words) }, state: "state")
        if !tasks.isEmpty {
            text += "\n" + TaskTable.of(tasks, ids, now: now, hasHosts: false).text(width: StandardOutput.width)
        }
        return text
    }
}
