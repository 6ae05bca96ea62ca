import ArgumentParser
import Console
import TensorHub

struct DatasetGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Bring a data set here, verified, and print where it is.",
        discussion: """
            One file goes to the path given, several go below it, and so do a folder and a
            shard, however few files they have. Which version it was is said on standard error.

            Examples:
              tensorhub dataset get mnist@2 -o mnist.npz
              tensorhub dataset get imagenet --shard 0/4 -o /data/part
              tensorhub dataset get events -o - | head
            """
    )

    @Argument(help: "Its name, or mnist@2; - for any.", completion: Completion.dataSets)
    var name: String

    @OptionGroup var options: ContentOptions

    @Option(help: "Every n-th file from the i-th on, from 0: 0/4, 1/4, ...")
    var shard: String?

    @OptionGroup var target: ContentTarget

    func run() async throws {
        let shard = try shard.map { try Shard($0) }
        let (hub, query) = try await options.query(name, of: .dataSets, target.connection)
        let dataSet = try await hub.findDataSet(named: name, query)
        let files = try await hub.files(of: dataSet)
        try await target.fetch(
            ContentTarget.Found(
                title: dataSet.title,
                name: dataSet.name ?? "data",
                document: dataSet.document,
                kind: dataSet.kind,
                files: try shard?.files(of: files) ?? files,
                total: files.count,
                isShard: shard != nil,
                bucket: .dataSets,
                download: { try await hub.download(dataSet, to: $0, shard: shard) }
            ),
            hub
        )
    }
}
