import ArgumentParser
import BSON
import Console
import TensorHub

/// Which of them are to be deleted: never more than was said.
struct ContentRemoveOptions: ParsableArguments {
    @Argument(help: "Those of this name.", completion: Completion.contents)
    var name: String?

    @Option(name: .customLong("version"), help: "That version alone.")
    var number: String?

    @OptionGroup var short: WhereOptions

    @Option(help: "Those that match this MongoDB filter alone, as Extended JSON.")
    var filter: String?

    @Flag(help: "Every version of the name; without a name, everything of the project.")
    var all = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    /// - Parameters:
    ///   - count: How many there are of a query.
    ///   - explain: Throws why there is none.
    func remove(
        _ subject: ShortFilter.Subject,
        count: (Hub, ContentQuery) async throws -> Int,
        explain: (Hub, ContentQuery) async throws -> Void,
        _ delete: (Hub, ContentQuery) async throws -> Int
    ) async throws {
        let noun = subject.noun
        let isFiltered = filter != nil || short.isGiven
        let version = try VersionNumber.parse(number)
        try short.check(filter, for: subject)
        if number != nil && name == nil { throw CommandFailure.badInput("--version needs the name of the \(noun)") }
        if all && (number != nil || isFiltered) {
            throw CommandFailure.badInput("--all means every one; leave it out, or the other conditions")
        }
        if name == nil && !isFiltered && !all {
            throw CommandFailure.badInput(
                "nothing is selected; give a name, --where, --filter, or --all for every \(noun)"
            )
        }
        let hub = try await connection.hub()
        let query = ContentQuery(
            name: name,
            version: version,
            filter: try await short.filter(filter, for: subject, hub)
        )
        if let name, number == nil, !isFiltered, !all {
            let versions = try await count(hub, query)
            if versions > 1 {
                throw CommandFailure.badInput(
                    "\(noun) '\(name)' has \(versions) versions; say which with --version, or --all for all of them"
                )
            }
        }
        let deleted: Int
        do {
            deleted = try await delete(hub, query)
        } catch let error as HubError where error.code == .wrongState {
            throw CommandFailure.failure("\(error.message) with --force")
        }
        output.receipt(deleted, "deleted")
        if deleted == 0 {
            do {
                if name != nil { try await explain(hub, query) }
            } catch let error as HubError where error.code == .notFound {
                throw CommandFailure.nothingMatched(TerminalText.oneLine("nothing was deleted: \(error.message)"))
            }
            throw CommandFailure.nothingMatched("nothing was deleted: no \(noun) matches")
        }
        StandardError.line("\(counted(deleted, noun)) deleted")
    }
}
