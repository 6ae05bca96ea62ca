import ArgumentParser
import BSON
import Console
import TensorHub

struct ModelList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List models, the newest last.",
        discussion: """
            With --sort the best come first; those without a value there come last.

            Examples:
              tensorhub model ls --sort test_accuracy:-1 --limit 3
              tensorhub model ls mlp --filter '{"test_accuracy": {"$gt": 0.9}}'
            """
    )

    @OptionGroup var options: ContentListOptions

    func run() async throws {
        try await options.list(.models) { hub, query, limit in
            try await hub.findModels(query, limit: limit).map(\.document)
        } explain: { hub, query in
            _ = try await hub.findModel(query)
        } table: { hub, documents in
            var stages: [ObjectID: [String]] = [:]
            for stage in try await hub.stages(name: options.name) {
                stages[stage.model, default: []].append(stage.stage)
            }
            var table = Table([
                .init("ID"), .init("NAME", isElastic: true), .init("VERSION", isRightAligned: true), .init("STAGE"),
                .init("SIZE", isRightAligned: true), .init("AGE", isRightAligned: true), .init("TAGS", isElastic: true),
            ])
            let now = BSONDateTime.now
            table.rows = documents.map(ModelRecord.init).map { model in
                [
                    model.document["_id"]?.tableText ?? "", model.name ?? "", model.version.map(String.init) ?? "",
                    model.id.flatMap { stages[$0] }?.joined(separator: ",") ?? "", model.size.map(ByteText.of) ?? "",
                    model.time.map { now.since($0).shortText } ?? "", model.tags.tableText,
                ]
            }
            return table
        }
    }
}
