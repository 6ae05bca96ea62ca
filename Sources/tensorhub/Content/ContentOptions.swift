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

    /// - Parameter name: `-` stands for any.
    func query(_ name: String, of subject: ShortFilter.Subject) throws -> ContentQuery {
        ContentQuery(
            name: name == "-" ? nil : name,
            version: try VersionNumber.parse(number),
            filter: try short.filter(filter, for: subject),
            sort: try sort.map { try Sort($0) }
        )
    }
}
