import ArgumentParser
import Console
import TensorHub

struct DatasetRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Delete data sets, and their bytes where nothing else has the same.",
        discussion: """
            A data set that a stored model was made from is kept, with all others of the
            selection, unless --force is given.

            Example:
              tensorhub dataset rm mnist --version 1
            """
    )

    @OptionGroup var options: ContentRemoveOptions

    @Flag(help: "Delete also those that models were made from.")
    var force = false

    func run() async throws {
        try await options.remove(.dataSets) { hub, query in
            try await hub.findDataSets(query, limit: 1000).count
        } explain: { hub, query in
            _ = try await hub.findDataSet(query)
        } _: { hub, query in
            try await hub.deleteDataSets(query, sparingLineage: !force)
        }
    }
}
