import ArgumentParser
import BSON
import Console
import TensorHub

struct ModelStaging: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stage",
        abstract: "Give a stage to one version of a model, and print the id; whoever held it holds it no more.",
        discussion: """
            The change is one atomic step: at any moment exactly one version holds a stage.

            Examples:
              tensorhub model stage mlp production --version 3
              tensorhub model stage mlp candidate --unset
            """
    )

    @Argument(help: "The name of the model.", completion: Completion.models)
    var name: String

    @Argument(help: "The stage, such as candidate or production.")
    var stage: String

    @Option(name: .customLong("version"), help: "That version; the newest unless given.")
    var number: String?

    @Flag(help: "Take the stage away, so that no version holds it.")
    var unset = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        if unset && number != nil {
            throw CommandFailure.badInput("--unset and --version exclude each other; give one")
        }
        let version = try VersionNumber.parse(number)
        let hub = try await connection.hub()
        if unset {
            guard try await hub.unsetStage(stage, name: name) else {
                throw CommandFailure.nothingMatched("no version of model '\(name)' is '\(stage)'")
            }
            if output.json { StandardOutput.receipt("{\"unset\": 1}\n") }
            StandardError.line("no version of model '\(name)' is '\(stage)' any more")
            return
        }
        let model = try await hub.setStage(stage, of: ContentQuery(name: name, version: version), by: CurrentUser.name)
        output.receipt(model.document, model.id)
        StandardError.line("\(model.title) is '\(stage)' now")
    }
}
