import ArgumentParser
import BSON
import Console
import TensorHub

struct DatasetList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List data sets, the newest last.",
        discussion: """
            Example:
              tensorhub dataset ls mnist --json | jq -r '.[].hub.sha256'
            """
    )

    @OptionGroup var options: ContentListOptions

    func run() async throws {
        try await options.list(.dataSets) { hub, query, limit in
            try await hub.findDataSets(query, limit: limit).map(\.document)
        } explain: { hub, query in
            _ = try await hub.findDataSet(query)
        } table: { _, documents in
            var table = Table([
                .init("ID"), .init("NAME", isElastic: true), .init("VERSION", isRightAligned: true), .init("KIND"),
                .init("FILES", isRightAligned: true), .init("SIZE", isRightAligned: true),
                .init("AGE", isRightAligned: true), .init("TAGS", isElastic: true),
            ])
            let now = BSONDateTime.now
            table.rows = documents.map(DataSetRecord.init).map { dataSet in
                [
                    dataSet.document["_id"]?.tableText ?? "", dataSet.name ?? "",
                    dataSet.version.map(String.init) ?? "", dataSet.kind?.rawValue ?? "pickle",
                    String(dataSet.files.count), dataSet.size.map(ByteText.of) ?? "",
                    dataSet.time.map { now.since($0).shortText } ?? "", dataSet.tags.tableText,
                ]
            }
            return table
        }
    }
}
