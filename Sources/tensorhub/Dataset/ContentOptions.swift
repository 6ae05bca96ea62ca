import ArgumentParser
import BSON
import Console
import TensorHub

/// Which one of the data sets or models a verb is about.
struct ContentOptions: ParsableArguments {
    @Option(name: .customLong("version"), help: "That version; the newest unless given.")
    var number: String?

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"test_accuracy\": {\"$gt\": 0.9}}'.")
    var filter: String?

    @Option(help: "The first in this order, such as 'test_accuracy:-1', instead of the newest.")
    var sort: String?

    /// - Parameter name: `-` stands for any.
    func query(_ name: String) throws -> ContentQuery {
        ContentQuery(
            name: name == "-" ? nil : name,
            version: try VersionNumber.parse(number),
            filter: try filter.map { try Filter(extendedJSON: $0) } ?? .all,
            sort: try sort.map { try Sort($0) }
        )
    }
}

/// A version as somebody typed it. Not left to ArgumentParser: to it a wrong value of `--version` asks for the
/// program's.
enum VersionNumber {
    static func parse(_ text: String?) throws(CommandFailure) -> Int? {
        guard let text else { return nil }
        if let number = Int(text) { return number }
        throw .badInput("--version '\(text)' is no number; versions count from 1, and left out it means the newest")
    }
}

/// Which of them a listing has.
struct ContentListOptions: ParsableArguments {
    @Argument(help: "Those of this name; all unless given.")
    var name: String?

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"test_accuracy\": {\"$gt\": 0.9}}'.")
    var filter: String?

    @Option(help: "The order, such as 'test_accuracy:-1'; the limit then keeps the first.")
    var sort: String?

    @OptionGroup var limit: LimitOptions

    @Flag(name: .shortAndLong, help: "Write the ids alone.")
    var quiet = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    /// Finds them and writes them, the newest last.
    ///
    /// - Parameter explain: Throws why there is none.
    func list(
        _ noun: String,
        _ find: (Hub, ContentQuery, Int?) async throws -> [BSONDocument],
        explain: (Hub, ContentQuery) async throws -> Void,
        table: (Hub, [BSONDocument]) async throws -> Table
    ) async throws {
        try limit.check()
        let order = try sort.map { try Sort($0) }
        let query = ContentQuery(
            name: name,
            filter: try filter.map { try Filter(extendedJSON: $0) } ?? .all,
            sort: order ?? .newest
        )
        let hub = try await connection.hub()
        var documents = try await find(hub, query, limit.asked)
        let isCut = limit.cut(&documents)
        if order == nil { documents.reverse() }
        if output.json {
            StandardOutput.write(documents.jsonLines)
        } else if quiet {
            StandardOutput.write(documents.compactMap { $0["_id"].map { "\($0.tableText)\n" } }.joined())
        } else if !documents.isEmpty {
            StandardOutput.write(try await table(hub, documents).text(width: StandardOutput.width))
        }
        if documents.isEmpty {
            if name != nil { try await explain(hub, query) }
            throw CommandFailure(ExitStatus.nothingMatched, "no \(noun) matches")
        }
        if isCut { limit.tellCut(order == nil ? "newest" : "first") }
    }
}

/// Which of them are to be deleted: never more than was said.
struct ContentRemoveOptions: ParsableArguments {
    @Argument(help: "Those of this name.")
    var name: String?

    @Option(name: .customLong("version"), help: "That version alone.")
    var number: String?

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
        _ noun: String,
        count: (Hub, ContentQuery) async throws -> Int,
        explain: (Hub, ContentQuery) async throws -> Void,
        _ delete: (Hub, ContentQuery) async throws -> Int
    ) async throws {
        let query = ContentQuery(
            name: name,
            version: try VersionNumber.parse(number),
            filter: try filter.map { try Filter(extendedJSON: $0) } ?? .all
        )
        if number != nil && name == nil { throw CommandFailure.badInput("--version needs the name of the \(noun)") }
        if all && (number != nil || filter != nil) {
            throw CommandFailure.badInput("--all means every one; leave it out, or --version and --filter")
        }
        if name == nil && filter == nil && !all {
            throw CommandFailure.badInput("nothing is selected; give a name, --filter, or --all for every \(noun)")
        }
        let hub = try await connection.hub()
        if let name, number == nil, filter == nil, !all {
            let versions = try await count(hub, query)
            if versions > 1 {
                throw CommandFailure.badInput(
                    "\(noun) '\(name)' has \(versions) versions; say which with --version, or --all for all of them"
                )
            }
        }
        let deleted = try await delete(hub, query)
        if output.json {
            StandardOutput.receipt(
                BSONDocument(elements: [("deleted", .init(smallest: deleted))]).extendedJSON() + "\n"
            )
        }
        if deleted == 0 {
            do {
                if name != nil { try await explain(hub, query) }
            } catch let error as HubError where error.code == .notFound {
                throw CommandFailure(
                    ExitStatus.nothingMatched,
                    TerminalText.oneLine("nothing was deleted: \(error.message)")
                )
            }
            throw CommandFailure(ExitStatus.nothingMatched, "nothing was deleted: no \(noun) matches")
        }
        StandardError.line("\(counted(deleted, noun)) deleted")
    }
}
