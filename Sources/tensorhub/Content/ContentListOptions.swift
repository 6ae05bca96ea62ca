import ArgumentParser
import BSON
import Console
import TensorHub

/// Which of them a listing has.
struct ContentListOptions: ParsableArguments {
    @Argument(help: "Those of this name; all unless given.", completion: Completion.contents)
    var name: String?

    @OptionGroup var short: WhereOptions

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"test_accuracy\": {\"$gt\": 0.9}}'.")
    var filter: String?

    @Option(help: "The order, such as 'test_accuracy:-1'; the limit then keeps the first.")
    var sort: String?

    @OptionGroup var limit: LimitOptions

    @OptionGroup var listing: ListingOptions
    @OptionGroup var connection: ConnectionOptions

    /// Finds them and writes them, the newest last.
    ///
    /// - Parameter explain: Throws why there is none.
    func list(
        _ subject: ShortFilter.Subject,
        _ find: (Hub, ContentQuery, Int?) async throws -> [BSONDocument],
        explain: (Hub, ContentQuery) async throws -> Void,
        table: (Hub, [BSONDocument]) async throws -> Table
    ) async throws {
        try limit.check()
        let order = try sort.map { try Sort($0) }
        try short.check(filter, for: subject)
        let hub = try await connection.hub()
        let query = ContentQuery(
            name: name,
            filter: try await short.filter(filter, for: subject, hub),
            sort: order ?? .newest
        )
        var documents = try await find(hub, query, limit.asked)
        let isCut = limit.cut(&documents)
        if order == nil { documents.reverse() }
        try await listing.write(ids: documents.compactMap { $0["_id"]?.tableText }, documents) {
            try await table(hub, documents)
        }
        if documents.isEmpty {
            if name != nil { try await explain(hub, query) }
            throw CommandFailure.nothingMatched("no \(subject.noun) matches")
        }
        if isCut { limit.tellCut(order == nil ? "newest" : "first") }
    }
}
