import ArgumentParser
import Console
import TensorHub

struct ModelRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Delete models, and their bytes where nothing else has the same.",
        discussion: """
            A model that holds a stage is kept, with all others of the selection, unless
            --force is given; then nobody holds the stage.

            Example:
              tensorhub model rm mlp --version 1
            """
    )

    @OptionGroup var options: ContentRemoveOptions

    @Flag(help: "Delete also those that hold a stage.")
    var force = false

    func run() async throws {
        try await options.remove(.models) { hub, query in
            try await hub.findModels(query, limit: 1000).count
        } explain: { hub, query in
            _ = try await hub.findModel(query)
        } _: { hub, query in
            try await hub.deleteModels(query, force: force)
        }
    }
}
