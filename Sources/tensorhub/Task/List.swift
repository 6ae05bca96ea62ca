import ArgumentParser
import BSON
import Console
import TensorHub

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List tasks, the newest last.",
        discussion: """
            --columns, --sort and --group-by take the fields id, number, name, state, attempt,
            age, time, started, ended, duration, host, runner, failure, parameters, result,
            tags, and any name: a result, else a tag, else a hyper-parameter. --group-by
            also takes script.

            Examples:
              tensorhub ls --name mnist --status failed
              tensorhub ls --group-by failure
              tensorhub ls --columns name,state,host,lr,accuracy --sort accuracy:max
              tensorhub ls --where 'state:failed lr<0.01 accuracy>0.9'
              tensorhub ls --filter '{"hyper_parameters.lr": {"$gt": 0.1}}'
              tensorhub ls --json | jq -r '.[].result.test_accuracy'
            """
    )

    @OptionGroup var selection: SelectionOptions

    @OptionGroup var limit: LimitOptions

    @Option(help: "The order, such as loss:min,lr or duration:max; the limit then keeps the first.")
    var sort: String?

    @Option(help: ArgumentHelp("These columns alone: name,state,host,lr,loss.", valueName: "names"))
    var columns: String?

    @Option(
        name: .customLong("group-by"),
        help: ArgumentHelp("How many there are of each, by state: host, failure, name, lr, ...", valueName: "names")
    )
    var groups: String?

    @OptionGroup var ids: IDOptions
    @OptionGroup var listing: ListingOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let asked = try selection.selection()
        let order = try sort.map { try TaskOrder($0) }
        let fields = try columns.map { try TaskField.columns($0) }
        try limit.check()
        if let groups { return try await list(groups, asked) }
        let hub = try await connection.hub()
        let selection = try await asked.tasks(of: hub)
        let found = try await find(selection, order, hub)
        try await hub.check(order?.keys.map(\.field) ?? [], option: "sort", among: found)
        try await hub.check(fields ?? [], option: "--columns", among: found)
        var tasks = found
        let isCut = limit.cut(&tasks)
        if order == nil {
            if isCut, let cut = found.last?.id { tasks = try await newest(tasks, selection, cut, hub) }
            tasks.sort { Self.place($0) < Self.place($1) }
        }
        let chosen = fields.map { FieldTable(fields: $0, tasks: tasks, now: .now, label: ids.text) }
        try await listing.write(
            ids: tasks.compactMap(\.id?.description),
            chosen?.documents ?? tasks.map(\.document)
        ) { chosen?.table() ?? TaskTable.of(tasks, ids, now: .now) }
        if tasks.isEmpty { throw await NothingMatched.failure(selection, hub) }
        if isCut { limit.tellCut(order == nil ? "newest" : "first") }
    }

    private func find(_ selection: TaskSelection, _ order: TaskOrder?, _ hub: Hub) async throws -> [TaskRecord] {
        if let order { return try await hub.findTasks(selection, order: order, limit: limit.asked) }
        // The index of `_id` gives the newest without a sort over the whole project.
        return try await hub.findTasks(selection, sort: .descending("_id"), limit: limit.asked)
    }

    private func list(_ names: String, _ asked: AskedTasks) async throws {
        let fields = try TaskField.list(names, option: "--group-by", isSingle: true)
        if sort != nil || columns != nil || listing.quiet {
            throw CommandFailure.badInput(
                "--group-by lists groups, the largest first; leave out --sort, --columns and --quiet"
            )
        }
        let hub = try await connection.hub()
        let selection = try await asked.tasks(of: hub)
        var groups = try await hub.groupTasks(selection, by: fields, limit: limit.asked)
        let isLacking = groups.isEmpty || groups.contains { $0.key.contains { $0 == nil } }
        if isLacking { try await hub.check(fields, option: "--group-by") }
        let isCut = limit.cut(&groups)
        let table = GroupTable(fields: fields, groups: groups, isFull: ids.isFull)
        try await listing.write(ids: [], table.documents) { table.table }
        if groups.isEmpty { throw await NothingMatched.failure(selection, hub) }
        if isCut { limit.tellCut("largest") }
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
