import ArgumentParser
import BSON
import Console
import MongoDriver
import Settings
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
        let selection = try await fixed(asked, hub)
        let view = quiet ? nil : ProgressView()
        let progress: TaskProgress
        do {
            progress = try await wait(hub, selection, timeout: timeout, view)
        } catch {
            view?.finish()
            throw error
        }
        view?.finish()
        if output.json {
            let counts = TaskStatus.all.map { ($0.rawValue, BSONValue(smallest: progress[$0])) }
            StandardOutput.line(
                BSONDocument(elements: [("total", .init(smallest: progress.total))] + counts).extendedJSON()
            )
        }
        if progress.total == 0 { throw CommandFailure.nothingMatched("no task matches") }
        if !quiet { StandardError.line(ProgressView.words(progress)) }
        throw ExitCode(TaskOutcome.status(failed: progress[.failed] > 0, cancelled: progress[.cancelled] > 0))
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
        if found.isEmpty { throw CommandFailure.nothingMatched("no task matches") }
        return .ids(found)
    }

    /// A database that is away for a while does not end a wait of hours.
    private func wait(
        _ hub: Hub,
        _ selection: TaskSelection,
        timeout: Duration?,
        _ view: ProgressView?
    ) async throws -> TaskProgress {
        let clock = ContinuousClock()
        let deadline = timeout.map { clock.now + $0 }
        var outage = Outage()
        while true {
            let rest = deadline.map { max(.zero, clock.now.duration(to: $0)) }
            do {
                return try await hub.waitForTasks(selection, timeout: rest) { view?.show($0) }
            } catch let error as HubError where error.code == .timeout {
                throw CommandFailure(
                    ExitStatus.timeout,
                    "the tasks have not ended within \(Quantity.text(timeout ?? .zero)); they go on, and another wait can follow"
                )
            } catch  where CommandFailure.isTransient(error) {
                outage.begin(error)
            }
            if let deadline, clock.now >= deadline {
                throw CommandFailure(ExitStatus.timeout, "MongoDB did not come back in time; the tasks go on")
            }
            try await Task.sleep(for: Outage.pause)
        }
    }
}
