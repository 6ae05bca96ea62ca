import ArgumentParser
import BSON
import Console
import TensorHub

struct Find: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find data sets, models and tasks by a few words, the newest first.",
        discussion: """
            Words are looked for in names and tags, a description among them; capital
            letters do not matter. Conditions are those of --where (docs/filters.md), and
            all must hold: state:, host: and parameter. leave tasks alone, architecture.
            models. The search ends after a second, and says so where that was too early.

            Examples:
              tensorhub find mnist baseline
              tensorhub find 'accuracy>0.9' age\\<7d --json | jq -r '.[].kind'
            """
    )

    @Argument(help: ArgumentHelp("What is looked for; what has < or > in it needs quotes.", valueName: "words"))
    var words: [String]

    @Option(name: .shortAndLong, help: "At most so many, the newest.")
    var limit = 20

    @OptionGroup var ids: IDOptions
    @OptionGroup var listing: ListingOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let filter = try ShortFilter(words.joined(separator: " "), field: "words")
        if limit < 1 { throw CommandFailure.badInput("--limit is \(limit); it must be at least 1") }
        let findings = try await connection.hub().find(filter, limit: limit)
        let found = findings.found
        try await listing.write(ids: found.compactMap { $0.document["_id"]?.tableText }, found.map(\.json)) {
            FindingTable.of(found, ids, now: .now)
        }
        if findings.isCut {
            StandardError.line(
                "the search ended before all was looked at, so older ones may be missing; "
                    + "ls --where looks through all tasks, and name: or state: narrow that down"
            )
        }
        if found.isEmpty { throw CommandFailure.nothingMatched("nothing matches") }
        if findings.hasMore { StandardError.line("only the newest \(limit) are listed; --limit takes more") }
    }
}

/// What a search has found as rows for people.
enum FindingTable {
    static func of(_ found: [Finding], _ ids: IDOptions, now: BSONDateTime) -> Table {
        var table = Table([
            .init("KIND"), .init("ID"), .init("NAME", isElastic: true), .init("STATE"),
            .init("AGE", isRightAligned: true), .init("TAGS", isElastic: true), .init("VALUES", isElastic: true),
        ])
        table.rows = found.map { finding in
            let (name, state, tags, values) = words(finding)
            return [
                kind(finding.kind), id(finding, ids), name ?? "", state,
                finding.time.map { now.since($0).shortText } ?? "", tags.tableText, values,
            ]
        }
        return table
    }

    private static func id(_ finding: Finding, _ ids: IDOptions) -> String {
        finding.kind == .task
            ? ids.text(TaskRecord(finding.document)) : finding.document["_id"]?.tableText ?? ""
    }

    private static func kind(_ kind: Finding.Kind) -> String {
        switch kind {
        case .task: "task"
        case .dataSet: "data set"
        case .model: "model"
        }
    }

    private static func words(
        _ finding: Finding
    ) -> (name: String?, state: String, tags: BSONDocument, values: String) {
        switch finding.kind {
        case .task:
            let task = TaskRecord(finding.document)
            let values = [task.hyperParameters ?? [:], task.result].filter { !$0.isEmpty }.map(\.tableText)
            return (task.name, task.state, task.tags, values.joined(separator: " "))
        case .dataSet:
            let dataSet = DataSetRecord(finding.document)
            return (dataSet.name, version(dataSet.version), dataSet.tags, dataSet.size.map(ByteText.of) ?? "")
        case .model:
            let model = ModelRecord(finding.document)
            return (model.name, version(model.version), model.tags, model.size.map(ByteText.of) ?? "")
        }
    }

    private static func version(_ number: Int?) -> String { number.map { "version \($0)" } ?? "" }
}
