import ArgumentParser
import BSON
import Console
import TensorHub

struct ModelShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show all about one model: metrics, lineage, architecture, tensors; the parameters are not fetched.",
        discussion: """
            Example:
              tensorhub model show mlp --stage production
            """
    )

    @Argument(help: "Its name, or mlp@3, mlp@production; - for any.", completion: Completion.models)
    var name: String

    @OptionGroup var options: ContentOptions

    @Option(help: "The version that holds this stage, such as production.")
    var stage: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let (hub, query) = try await options.query(name, of: .models, connection)
        let model = try await hub.findModel(named: name, query, stage: stage)
        let files = try await hub.files(of: model)
        let index = try await hub.tensors(of: model)
        let stages = try await hub.stages(name: model.name).filter { $0.model == model.id }.map(\.stage)
        let fields: [(String, BSONValue)] = [
            ("document", .document(model.document)), ("stages", .array(stages.map(BSONValue.string))),
        ]
        output.show(
            BSONDocument(elements: fields + ContentText.json(index)),
            or: facts(model, stages, files) + ContentText.section("tags", model.tags)
                + ContentText.section("architecture", model.architecture ?? [:]) + ContentText.files(files)
                + ContentText.tensors(index, width: StandardOutput.width)
        )
    }

    private func facts(_ model: ModelRecord, _ stages: [String], _ files: [StoredFile]) -> String {
        let sources = model.sources.map { source in
            source.name + (source.version.map { " version \($0)" } ?? "")
                + (source.sha256.map { " (\($0.prefix(12))…)" } ?? "")
        }
        let facts: [(String, String?)] = [
            ("id", model.document["_id"]?.tableText),
            ("name", model.name),
            ("project", model.document["project_name"]?.tableText),
            ("version", model.version.map(String.init) ?? "none: TensorLayer wrote it"),
            ("stage", stages.isEmpty ? nil : stages.joined(separator: ", ")),
            ("stored", model.time.map { "\($0.shownText) (\($0.ago()))" }),
            ("made by", model.lineage.map { "task \($0.origin.task), attempt \($0.origin.number)" }),
            ("made from", sources.isEmpty ? nil : sources.joined(separator: ", ")),
            ("size", files.isEmpty ? nil : ByteText.of(files.totalLength)),
            ("sha256", model.sha256),
        ]
        return FactLines.text(facts)
    }
}
