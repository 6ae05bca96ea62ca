package import BSON
import MongoDriver

/// What somebody who waits for tasks would like to know besides their number.
package struct TaskOutlook: Sendable, Hashable {
    /// Why none of them moves.
    package enum Standstill: Sendable, Hashable {
        /// All that are left are held.
        case held(Int)
        /// Nobody has been heard of who runs tasks of this project.
        case noRunner
        /// Every runner that lives claims nothing: name and state of each.
        case paused([String])
        /// There are runners, and none takes the first in line.
        case refused(ObjectID)
    }

    package var standstill: Standstill?
    /// How long the rest may take, by the median of finished tasks of the same names or scripts; `nil` where none has
    /// finished or nobody runs them.
    package var rest: Duration?
    /// How many finished tasks that is by.
    package var siblings: Int
}

extension Hub {
    /// Finished tasks of a name, the latest, whose durations are looked at.
    private static let siblingsExamined = 200
    /// Names of tasks that are told apart.
    private static let kindsExamined = 20
    /// More slots than any runner has.
    private static let mostSlots = 1_000_000

    /// How it looks for the tasks of a selection that have not ended: a look from outside.
    package func outlook(_ selection: TaskSelection) async throws(HubError) -> TaskOutlook {
        try await expectIndexes()
        let kinds = try await unfinishedKinds(selection)
        if kinds.isEmpty { return TaskOutlook(standstill: nil, rest: nil, siblings: 0) }
        let runners = try await findRunners()
        var outlook = TaskOutlook(standstill: nil, rest: nil, siblings: 0)
        if !kinds.contains(where: { $0.running > 0 }) {
            outlook.standstill = try await standstill(selection, kinds, runners)
        }
        if outlook.standstill == nil { try await estimate(&outlook, kinds, runners) }
        return outlook
    }

    /// Unfinished tasks of one name, or without one.
    private struct Kind {
        var name: String?
        var running: Int
        var pending: Int
        var held: Int
        /// Seconds that the running ones have run, together.
        var elapsed: Double
        /// One of them.
        var id: ObjectID?
    }

    private func unfinishedKinds(_ selection: TaskSelection) async throws(HubError) -> [Kind] {
        let isRunning: BSONValue = ["$eq": ["$status", .string(TaskStatus.running.rawValue)]]
        let isHeld: BSONValue = ["$and": [["$not": [isRunning]], ["$eq": ["$hub.hold", true]]]]
        func count(_ condition: BSONValue) -> BSONValue { ["$sum": ["$cond": [condition, 1, 0]]] }
        let found = try await aggregateTasks([
            ["$match": .document(unfinishedFilter(selection))],
            [
                "$group": [
                    "_id": "$task_name", "running": count(isRunning), "pending": count(["$not": [isRunning]]),
                    "held": count(isHeld), "elapsed": ["$sum": ["$cond": [isRunning, TaskField.duration, 0]]],
                    "id": ["$min": "$_id"],
                ]
            ],
            ["$sort": ["pending": -1, "_id": 1]], ["$limit": .init(smallest: Self.kindsExamined + 1)],
        ])
        return found.map { kind in
            Kind(
                name: kind["_id"]?.stringValue,
                running: kind["running"]?.intValue ?? 0,
                pending: kind["pending"]?.intValue ?? 0,
                held: kind["held"]?.intValue ?? 0,
                elapsed: kind["elapsed"]?.doubleValue ?? 0,
                id: kind["id"]?.objectIDValue
            )
        }
    }

    // MARK: Nothing moves

    private func standstill(
        _ selection: TaskSelection,
        _ kinds: [Kind],
        _ runners: [RunnerRecord]
    ) async throws(HubError) -> TaskOutlook.Standstill? {
        let held = kinds.reduce(0) { $0 + $1.held }
        if kinds.allSatisfy({ $0.held == $0.pending }) { return .held(held) }
        let living = runners.filter { $0.state != .lost && $0.state != .stopped }
        if living.isEmpty { return .noRunner }
        if living.allSatisfy({ $0.state != .running }) {
            return .paused(living.map { "\($0.name ?? "\($0.id)"), which is \($0.state)" })
        }
        let waiting = Filter(["status": "pending", "hub.hold": ["$ne": true]])
        var first = selection
        first.filter = selection.filter && waiting
        let order = Sort(TaskStatements.claimOrder)
        guard let id = try await findTasks(first, sort: order, limit: 1, projection: ["_id": 1]).first?.id else {
            return nil
        }
        guard case .pending(let waiting)? = try await explanation(id)?.situation, waiting.obstacles.isEmpty else {
            return nil
        }
        return waiting.candidates.allSatisfy { $0.obstacles.contains { !$0.mayPassAlone } } ? .refused(id) : nil
    }

    /// `nil` where it was deleted meanwhile.
    private func explanation(_ id: ObjectID) async throws(HubError) -> TaskExplanation? {
        do { return try await explain(id) } catch {
            if error.code == .notFound { return nil }
            throw error
        }
    }

    // MARK: How long it may take

    private func estimate(
        _ outlook: inout TaskOutlook,
        _ kinds: [Kind],
        _ runners: [RunnerRecord]
    ) async throws(HubError) {
        // Of more kinds than are told apart nothing is said.
        if kinds.count > Self.kindsExamined { return }
        var work = 0.0
        var left = 0
        var siblings = 0
        for kind in kinds {
            let durations = try await durations(ofSiblings: kind)
            guard !durations.isEmpty else { return }
            siblings += durations.count
            let median = durations[durations.count / 2]
            left += kind.pending + kind.running - kind.held
            let whole = Double(kind.pending - kind.held + kind.running) * median
            work += max(whole - kind.elapsed, Double(kind.pending - kind.held) * median)
        }
        let serving = runners.filter { runner in
            runner.state == .running
                && (runner.taskNames.isEmpty || kinds.contains { runner.taskNames.hasBytes(of: $0.name ?? "") })
        }
        let slots = serving.reduce(0) { $0 + max(0, min($1.slots, Self.mostSlots) - max(0, $1.blocked)) }
        guard slots > 0, left > 0, (0..<1e12).contains(work) else { return }
        outlook.rest = .milliseconds(Int64(work * 1000) / Int64(min(slots, left)))
        outlook.siblings = siblings
    }

    /// Seconds that finished tasks of the same name took, or of the same script where they have no name; ascending.
    private func durations(ofSiblings kind: Kind) async throws(HubError) -> [Double] {
        var filter: BSONDocument = ["project_name": .string(project), "status": .string(TaskStatus.finished.rawValue)]
        if let name = kind.name {
            filter.append("task_name", .string(name))
        } else {
            guard let id = kind.id else { return [] }
            let projection: BSONDocument = ["script": 1, "hub.command": 1]
            let found = try await findTasks(.ids([id]), sort: .oldest, limit: 1, projection: projection)
            filter.append("task_name", .null)
            for path in ["script", "hub.command"] {
                if let value = found.first?.document.value(atPath: path) { filter.append(path, value) }
            }
        }
        let found = try await aggregateTasks([
            ["$match": .document(filter)], ["$sort": ["_id": -1]], ["$limit": .init(smallest: Self.siblingsExamined)],
            ["$project": ["_id": 0, "seconds": TaskField.duration]],
        ])
        return found.compactMap { $0["seconds"]?.doubleValue }.sorted()
    }
}
