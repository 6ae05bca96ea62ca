import ArgumentParser
import BSON
import Console
import TensorHub

struct LogAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Save entries of a log, and print their ids.",
        discussion: """
            With - each line of standard input is a JSON object, an entry for each, saved
            as they come. An entry may bring its own `_id`; saved twice it is there once.

            Examples:
              tensorhub log add training loss=0.3 step=4
              my-simulation --json-lines | tensorhub log add testing -
            """
    )

    @Argument(help: LogKindName.help, completion: LogKindName.completion, transform: LogKindName.parse)
    var kind: LogKind

    @Argument(
        help: ArgumentHelp(
            "A value: JSON, a number, None, True, False, nan or inf, else text; or - for JSON objects on standard input.",
            valueName: "name=value"
        )
    )
    var values: [String]

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    /// Entries that are saved at once where they come faster.
    private static let batch = 1000

    func run() async throws {
        if values == ["-"] { return try await addLines() }
        if values.contains("-") {
            throw CommandFailure.badInput("- reads whole entries from standard input; give it alone, or only values")
        }
        let entry = try Assignment.document(values, flag: "value", filesAllowed: false, repeatsAllowed: false)
        _ = try Hub.logDocument(entry, project: "-", time: .now, origin: nil)
        try await save([entry], try await connection.hub())
    }

    private func addLines() async throws {
        let hub = try await connection.hub()
        var lines = InputLines()
        var count = 0
        var number = 0
        while let texts = try await lines.next(atMost: Self.batch) {
            var entries: [BSONDocument] = []
            for line in texts {
                number += 1
                do {
                    guard let entry = try JSONLine.document(line[...]) else { continue }
                    _ = try Hub.logDocument(entry, project: "-", time: .now, origin: nil)
                    entries.append(entry)
                } catch {
                    let reason = (error as? HubError)?.message ?? (error as? BSONError)?.message ?? "\(error)"
                    // What came before it is saved: a stream that broke off must not lose its beginning.
                    if !entries.isEmpty { try await save(entries, hub) }
                    count += entries.count
                    throw CommandFailure.badInput(
                        "line \(number) of standard input is no log entry: \(reason); \(counted(count, "entry", "entries")) before it saved"
                    )
                }
            }
            if !entries.isEmpty { try await save(entries, hub) }
            count += entries.count
        }
        if count == 0 {
            throw CommandFailure.badInput("standard input has no line; write one JSON object for each entry")
        }
    }

    private func save(_ entries: [BSONDocument], _ hub: Hub) async throws {
        let ids = try await hub.saveLogs(kind, entries)
        let lines =
            output.json
            ? ids.map { BSONDocument(elements: [("_id", .objectID($0))]).extendedJSON() } : ids.map(\.description)
        StandardOutput.receipt(lines.map { $0 + "\n" }.joined())
    }
}
