import ArgumentParser
import BSON
import Console
import TensorHub

struct SetVerb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Change options of pending tasks, and tags of any.",
        discussion: """
            Options are those of `tensorhub submit`; `none` takes one away. A task that runs
            or has ended keeps its options, but takes tags. Hyper-parameters never change:
            `tensorhub rerun` makes a new task with others.

            Examples:
              tensorhub set --name mnist --priority 5 --timeout 2h
              tensorhub set --name mnist --tag note="wrong labels" --untag draft
            """
    )

    @OptionGroup var options: ChangeOptions
    @OptionGroup var changes: OptionChanges
    @OptionGroup var tags: TagOptions

    @Option(name: .customLong("untag"), help: "A tag to take away; may be repeated.")
    var removed: [String] = []

    func run() async throws {
        _ = try options.checkedSelection()
        let tags = try tags.document()
        let hub = try await options.connection.hub()
        let hasTags = !tags.isEmpty || !removed.isEmpty
        guard changes.isGiven || hasTags else {
            throw CommandFailure.badInput(
                "nothing is to be set; give an option such as --priority 5, or --tag name=value"
            )
        }
        let change = try await changes.change(hub)
        var pending: Int?
        let condition = changes.isGiven && !hasTags ? "pending" : "there"
        try await options.change("changed", where: condition) { hub, selection in
            if changes.isGiven, hasTags { pending = try await hub.countTasks(selection)[.pending] ?? 0 }
            return try await hub.setTasks(
                selection,
                options: changes.isGiven ? { change(&$0) } : nil,
                tags: tags,
                removing: removed
            )
        } telling: { count in
            let words = "\(counted(count, "task")) changed"
            guard let pending, pending < count else { return .init(words: words, counts: [("changed", count)]) }
            return .init(
                words: "\(words): the tags of all, the options of \(pending), since no other is pending",
                counts: [("changed", count), ("options_changed", pending)]
            )
        }
    }
}
