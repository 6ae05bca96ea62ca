import ArgumentParser
import BSON
import Console
import TensorHub

/// Which entries of a log a verb is about: every condition that is given must hold.
struct LogSelectionOptions: ParsableArguments {
    @Option(
        name: .customLong("task"),
        help: "Entries of the tasks: 412, 410..420, 24 digits or @last; may be repeated.",
        completion: Completion.tasks
    )
    var tasks: [String] = []

    @Option(
        name: .customLong("name"),
        help: "Entries of the tasks of this name; may be repeated.",
        completion: Completion.taskNames
    )
    var names: [String] = []

    @OptionGroup var short: WhereOptions

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"loss\": {\"$lt\": 0.1}}'.")
    var filter: String?

    var isAll: Bool { tasks.isEmpty && names.isEmpty && filter == nil && !short.isGiven }

    private func references() throws -> [TaskReference] {
        if names.contains("") {
            throw CommandFailure.badInput("--name is empty; give the name of tasks or leave it out")
        }
        try short.check(filter, for: .logs)
        return try tasks.map { try TaskID.parse($0) }
    }

    /// - Throws: A failure of status 3 where no task has the name.
    func open(_ connection: ConnectionOptions) async throws -> (Hub, Filter) {
        // Bad input is told before a server is looked for.
        _ = try references()
        let hub = try await connection.hub()
        return (hub, try await filter(hub))
    }

    private func filter(_ hub: Hub) async throws -> Filter {
        let filter = try await short.filter(filter, for: .logs, hub)
        if tasks.isEmpty && names.isEmpty { return filter }
        let ids = try await LogTasks.meant(try references(), hub)
        let named = names.isEmpty ? [] : try await LogTasks.named(names, hub)
        if ids.isEmpty && named.isEmpty {
            throw CommandFailure.nothingMatched(
                "no task of project \(hub.project) is named \(names.joined(separator: " or "))"
            )
        }
        return .tasks(ids + named) && filter
    }

    /// That a task is not there; its entries may outlive it, so it matters only where none is found.
    func unknownTask(_ hub: Hub) async throws -> String? {
        let ids = try references().compactMap { if case .id(let id) = $0 { id } else { nil } }
        if ids.isEmpty { return nil }
        let found = try await hub.findTasks(.ids(ids), sort: .oldest, limit: nil, projection: ["_id": 1])
        let there = Set(found.compactMap(\.id))
        return ids.first { !there.contains($0) }.map { "there is no task \($0) in project \(hub.project)" }
    }

    /// Why no entry was found.
    func nothing(_ kind: LogKind, _ hub: Hub) async throws -> CommandFailure {
        let reason = try await unknownTask(hub).map { ": \($0)" } ?? ""
        return CommandFailure.nothingMatched("no entry of the \(kind.rawValue) log matches\(reason)")
    }

    /// A follower would wait for ever for a task that is not there.
    func checkTasks(_ kind: LogKind, _ filter: Filter, _ hub: Hub) async throws {
        guard try await unknownTask(hub) != nil, try await hub.logs(kind, filter, limit: 1).isEmpty else { return }
        throw try await nothing(kind, hub)
    }
}
