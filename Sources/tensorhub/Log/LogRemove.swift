import ArgumentParser
import BSON
import Console
import TensorHub

struct LogRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Delete entries of a log.",
        discussion: """
            Example:
              tensorhub log rm training --filter '{"step": {"$lt": 100}}'
            """
    )

    @Argument(help: LogKindName.help, completion: LogKindName.completion, transform: LogKindName.parse)
    var kind: LogKind

    @OptionGroup var selection: LogSelectionOptions

    @Flag(help: "Every entry of this log in the project.")
    var all = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        if selection.isAll && !all {
            throw CommandFailure.badInput(
                "no entry is selected; give --task, --name, --where, --filter, or --all for every entry"
            )
        }
        if all && !selection.isAll {
            throw CommandFailure.badInput("--all means every entry; leave it out, or the other conditions")
        }
        let (hub, filter) = try await selection.open(connection)
        let count = try await hub.deleteLogs(kind, filter)
        if count == 0, let unknown = try await selection.unknownTask(hub) {
            throw CommandFailure.nothingMatched("nothing was deleted: \(unknown)")
        }
        output.receipt(count, "deleted")
        if count == 0 { throw CommandFailure.nothingMatched("nothing was deleted: no entry matches") }
        StandardError.line("\(counted(count, "entry", "entries")) deleted")
    }
}
