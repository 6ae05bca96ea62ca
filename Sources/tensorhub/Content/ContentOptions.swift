import ArgumentParser
import BSON
import Console
import TensorHub

/// Which one of the data sets or models a verb is about.
struct ContentOptions: ParsableArguments {
    @Option(name: .customLong("version"), help: "That version; the newest unless given.")
    var number: String?

    @OptionGroup var short: WhereOptions

    @Option(help: "A MongoDB filter as Extended JSON, such as '{\"test_accuracy\": {\"$gt\": 0.9}}'.")
    var filter: String?

    @Option(help: "The first in this order, such as 'test_accuracy:-1', instead of the newest.")
    var sort: String?

    /// Bad input is told before a server is looked for.
    ///
    /// - Parameter name: `-` stands for any.
    func query(
        _ name: String,
        of subject: ShortFilter.Subject,
        _ connection: ConnectionOptions
    ) async throws -> (Hub, ContentQuery) {
        let version = try VersionNumber.parse(number)
        let order = try sort.map { try Sort($0) }
        try short.check(filter, for: subject)
        let hub = try await connection.hub()
        let filter = try await short.filter(filter, for: subject, hub)
        return (hub, ContentQuery(name: name == "-" ? nil : name, version: version, filter: filter, sort: order))
    }
}
