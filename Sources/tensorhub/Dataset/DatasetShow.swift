import ArgumentParser
import BSON
import Console
import TensorHub

struct DatasetShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show all about one data set: files, arrays, tags; nothing is fetched.",
        discussion: """
            Example:
              tensorhub dataset show mnist --version 2
            """
    )

    @Argument(help: "Its name, or mnist@2; - for any.", completion: Completion.dataSets)
    var name: String

    @OptionGroup var options: ContentOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let (hub, query) = try await options.query(name, of: .dataSets, connection)
        let dataSet = try await hub.findDataSet(named: name, query)
        let files = try await hub.files(of: dataSet)
        let index = try await hub.tensors(of: dataSet)
        let facts: [(String, String?)] = [
            ("id", dataSet.document["_id"]?.tableText),
            ("name", dataSet.name),
            ("project", dataSet.document["project_name"]?.tableText),
            ("version", dataSet.version.map(String.init) ?? "none: TensorLayer wrote it"),
            ("stored", dataSet.time.map { "\($0.shownText) (\($0.ago()))" }),
            ("kind", dataSet.kind?.rawValue ?? "a Python pickle; loading one can run code"),
            ("form", dataSet.form),
            ("size", ByteText.of(files.totalLength)),
            ("sha256", dataSet.sha256),
            ("saved by", dataSet.origin.map { "task \($0.task), attempt \($0.number)" }),
        ]
        output.show(
            BSONDocument(elements: [("document", .document(dataSet.document))] + ContentText.json(index)),
            or: FactLines.text(facts)
                + ContentText.section("tags", dataSet.tags) + ContentText.files(files)
                + ContentText.tensors(index, width: StandardOutput.width)
        )
    }
}
