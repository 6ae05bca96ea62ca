import ArgumentParser
import BSON
import Console
import MongoDriver
import TensorHub

struct Wait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until tasks have ended.",
        discussion: """
            Tasks that ended before count too; without a selection that is every task of
            the project. --status, --where and --filter choose among the tasks as they are
            now.

            Exit status: 0 all finished, 100 some failed, 103 some were cancelled, 124
            time-out, 3 nothing matched.

            Example:
              tensorhub submit train.py --count 3 | tensorhub wait - --timeout 2h
            """
    )

    @OptionGroup var selection: SelectionOptions

    @Option(help: "The longest to wait: 90s, 30m, 2h.")
    var timeout: String?

    @Flag(name: .shortAndLong, help: "No progress.")
    var quiet = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let asked = try selection.selection()
        let timeout = try WrittenTime.duration(timeout, "--timeout")
        let hub = try await connection.hub()
        let selection = try await fixed(asked.tasks(of: hub), hub)
        try await TaskWait(hub: hub, selection: selection, timeout: timeout, isQuiet: quiet, isJSON: output.json).run()
    }

    /// A state changes while one waits, so a selection by state is turned into the ids that it has now.
    ///
    /// - Throws: A failure of status 3 where an id belongs to no task.
    private func fixed(_ selection: TaskSelection, _ hub: Hub) async throws -> TaskSelection {
        let isChanging = !selection.statuses.isEmpty || !selection.filter.document.isEmpty
        if selection.ids.isEmpty && !isChanging { return selection }
        let found = try await hub.findTasks(selection, sort: .oldest, limit: nil, projection: ["_id": 1]).compactMap(
            \.id
        )
        let there = Set(found)
        if !isChanging, selection.names.isEmpty, let missing = selection.ids.first(where: { !there.contains($0) }) {
            throw CommandFailure.nothingMatched(
                "no task \(missing) in project '\(hub.project)' of database '\(hub.database.name)'"
            )
        }
        if found.isEmpty { throw await NothingMatched.failure(selection, hub) }
        return .ids(found)
    }
}
