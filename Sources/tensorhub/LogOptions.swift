import ArgumentParser
import BSON
import Console
import TensorHub

/// Which log, as people name it.
enum LogKindName {
    static let help: ArgumentHelp = "training, validation or testing (or train, valid, test)."
    static let completion: CompletionKind = .list(LogKind.allCases.map(\.rawValue))

    static func parse(_ text: String) throws(CommandFailure) -> LogKind {
        switch text {
        case "training", "train": .training
        case "validation", "valid", "val": .validation
        case "testing", "test": .testing
        default: throw .badInput("'\(TerminalText.oneLine(text))' is no log; give training, validation or testing")
        }
    }
}

/// Which entries of a log a verb is about: every condition that is given must hold.
struct LogSelectionOptions: ParsableArguments {
    @Option(name: .customLong("task"), help: "Entries of the task with this id; may be repeated.")
    var tasks: [String] = []

    @Option(name: .customLong("name"), help: "Entries of the tasks of this name; may be repeated.")
    var names: [String] = []

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"loss\": {\"$lt\": 0.1}}'.")
    var filter: String?

    var isAll: Bool { tasks.isEmpty && names.isEmpty && filter == nil }

    /// Checked without a server, so that bad input is told first.
    func conditions() throws -> (ids: [ObjectID], filter: Filter) {
        if names.contains("") {
            throw CommandFailure.badInput("--name is empty; give the name of tasks or leave it out")
        }
        return (try tasks.map { try TaskID.parse($0) }, try filter.map { try Filter(extendedJSON: $0) } ?? .all)
    }

    /// - Throws: A failure of status 3 where no task has the name.
    func filter(_ hub: Hub) async throws -> Filter {
        let (ids, filter) = try conditions()
        if ids.isEmpty && names.isEmpty { return filter }
        let named = names.isEmpty ? [] : try await LogTasks.named(names, hub)
        if ids.isEmpty && named.isEmpty {
            throw CommandFailure(
                ExitStatus.nothingMatched,
                "no task of project \(hub.project) is named \(names.joined(separator: " or "))"
            )
        }
        return .tasks(ids + named) && filter
    }
}

/// The tasks behind the entries of a log.
enum LogTasks {
    /// More than this many tasks make a filter that no server likes.
    static let most = 10_000

    static func named(_ names: [String], _ hub: Hub) async throws -> [ObjectID] {
        let found = try await hub.findTasks(
            TaskSelection(names: names),
            sort: .newest,
            limit: most + 1,
            projection: ["_id": 1]
        )
        if found.count > most {
            throw CommandFailure.badInput(
                "more than \(most) tasks are named \(names.joined(separator: " or ")); choose some with --task"
            )
        }
        return found.compactMap(\.id)
    }
}
