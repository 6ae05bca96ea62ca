import ArgumentParser
import Console
import TensorHub

struct ModelGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Bring the parameters of a model here, verified, and print where they are.",
        discussion: """
            One file goes to the path given, several go below it, and so does a folder,
            however few files it has. Which version it was is said on standard error. The architecture is in `model show --json`.

            Examples:
              tensorhub model get mlp --stage production -o mlp.safetensors
              tensorhub model get - --sort test_accuracy:-1 -o best
            """
    )

    @Argument(help: "Its name, or mlp@3, mlp@production; - for any.", completion: Completion.models)
    var name: String

    @OptionGroup var options: ContentOptions

    @Option(help: "The version that holds this stage, such as production.")
    var stage: String?

    @OptionGroup var target: ContentTarget

    func run() async throws {
        let (hub, query) = try await options.query(name, of: .models, target.connection)
        let model = try await hub.findModel(named: name, query, stage: stage)
        let files = try await hub.files(of: model)
        try await target.fetch(
            ContentTarget.Found(
                title: model.title,
                name: model.name ?? "model",
                document: model.document,
                kind: model.kind,
                files: files,
                total: files.count,
                bucket: .models,
                download: { try await hub.download(model, to: $0) }
            ),
            hub
        )
    }
}
