import ArgumentParser
import BSON
import Console
import TensorHub

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List tasks, the newest last.",
        discussion: """
            Examples:
              tensorhub ls --name mnist --status failed
              tensorhub ls --where 'state:failed lr<0.01 accuracy>0.9'
              tensorhub ls --filter '{"hyper_parameters.lr": {"$gt": 0.1}}'
              tensorhub ls --json | jq -r '.[].result.test_accuracy'
            """
    )

    @OptionGroup var selection: SelectionOptions

    @OptionGroup var limit: LimitOptions

    @Option(help: "The order, such as 'hub.priority:-1,time:1'; the limit then keeps the first.")
    var sort: String?

    @OptionGroup var ids: IDOptions
    @OptionGroup var listing: ListingOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let asked = try selection.selection()
        let order = try sort.map { try Sort($0) }
        try limit.check()
        let hub = try await connection.hub()
        let selection = try await asked.tasks(of: hub)
        // The index of `_id` gives the newest without a sort over the whole project.
        let found = try await hub.findTasks(selection, sort: order ?? .descending("_id"), limit: limit.asked)
        var tasks = found
        let isCut = limit.cut(&tasks)
        if order == nil {
            if isCut, let cut = found.last?.id { tasks = try await newest(tasks, selection, cut, hub) }
            tasks.sort { Self.place($0) < Self.place($1) }
        }
        try await listing.write(ids: tasks.compactMap(\.id?.description), tasks.map(\.document)) {
            TaskTable.of(tasks, ids, now: .now)
        }
        if tasks.isEmpty { throw CommandFailure.nothingMatched("no task matches") }
        if isCut { limit.tellCut(order == nil ? "newest" : "first") }
    }

    /// Of the second in which the list was cut, those of the latest times instead of the highest identifiers.
    private func newest(
        _ tasks: [TaskRecord],
        _ selection: TaskSelection,
        _ cut: ObjectID,
        _ hub: Hub
    ) async throws -> [TaskRecord] {
        let sure = tasks.filter { $0.id?.secondsSince1970 != cut.secondsSince1970 }
        if sure.count == tasks.count { return tasks }
        let second = cut.bytes.prefix(4)
        guard let first = ObjectID(bytes: second + repeatElement(0, count: 8)),
            let last = ObjectID(bytes: second + repeatElement(.max, count: 8))
        else { return tasks }
        var within = selection
        within.filter = selection.filter && Filter(["_id": ["$gte": .objectID(first), "$lte": .objectID(last)]])
        let ids = try await hub.findTasks(within, sort: .oldest, limit: nil, projection: ["_id": 1, "time": 1])
            .sorted { Self.place($0) < Self.place($1) }.suffix(tasks.count - sure.count).compactMap(\.id)
        return try await sure + hub.findTasks(.ids(ids))
    }

    /// Identifiers of several programs that come within one second are in no order; times are.
    private static func place(_ task: TaskRecord) -> (time: Int64, id: String) {
        (task.time?.millisecondsSince1970 ?? .min, task.id?.description ?? "")
    }
}
