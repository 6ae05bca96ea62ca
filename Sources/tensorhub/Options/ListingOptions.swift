import ArgumentParser
import BSON
import Console

/// How a listing is written: as a table, as JSON, or the ids alone.
struct ListingOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Write the ids alone.")
    var quiet = false

    @OptionGroup var output: OutputOptions

    /// - Parameter table: For people; not asked for where there is nothing.
    func write(ids: [String], _ documents: [BSONDocument], table: () async throws -> Table) async throws {
        if output.json {
            StandardOutput.write(documents.jsonLines)
        } else if quiet {
            StandardOutput.write(ids.map { "\($0)\n" }.joined())
        } else if !documents.isEmpty {
            StandardOutput.write(try await table().text(width: StandardOutput.width))
        }
    }
}
