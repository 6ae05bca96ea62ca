import ArgumentParser

/// `tensorhub dataset ...`
struct DatasetVerbs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dataset",
        abstract: "Store data sets, find them, bring them here, delete them.",
        discussion: """
            Each name has versions, counted from 1; left out, the newest is meant. The same
            content is stored once, whatever its names.

            Example:
              tensorhub dataset put mnist.npz --tag source=yann
              tensorhub dataset get mnist -o /data/mnist.npz
            """,
        subcommands: [
            DatasetPut.self, DatasetGet.self, DatasetList.self, DatasetShow.self, DatasetRemove.self,
        ]
    )
}
