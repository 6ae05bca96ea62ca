import ArgumentParser
import BSON
import Console
import TensorHub

struct DatasetPut: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Store a file, a folder or arrays as a new version of a data set, and print its id.",
        discussion: """
            Examples:
              tensorhub dataset put train.npy test.npy --name digits --tag classes=10
              tensorhub dataset put imagenet/ --description "ILSVRC 2012"
              tensorhub dataset put big.tar --piece-size 256MiB    # for dataset get --shard
              pg_dump events | tensorhub dataset put - --name events

            Standard input without a byte is refused: the program that was to write it has
            most likely failed. --allow-empty stores it. An empty file is stored.
            """
    )

    @Argument(help: "A file, a folder, several .npy or .npz files, or - for standard input.", completion: .file())
    var paths: [String]

    @OptionGroup var source: ContentSource
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let name = try source.name(of: paths)
        let tags = try source.tags.document()
        let content = try source.content(paths)
        let saved = try await connection.hub().saveDataSet(content, name: name, tags: tags)
        output.receipt(saved.document, saved.id)
        StandardError.line("\(saved.title): \(counted(saved.files.count, "file")), \(ByteText.of(saved.size ?? 0))")
    }
}
