import FoundationEssentials
import TensorHub

/// Trains the network with three sizes of its hidden layer on whichever runners there are, and ranks them.
///
/// The first argument is the folder with `train.py` and `digits.csv.gz`; without one, the current folder.
@main
struct Distribute {
    static func main() async throws {
        let folder = CommandLine.arguments.dropFirst().first ?? "."
        let script = try Data(contentsOf: URL(filePath: "\(folder)/train.py"))
        let digits = try Data(contentsOf: URL(filePath: "\(folder)/digits.csv.gz"))
        let uri = ProcessInfo.processInfo.environment["TENSORHUB_URI"] ?? Hub.defaultURI

        try await Hub.withHub(uri: uri) { hub in
            let ids = try await hub.createTasks(
                [800, 600, 400].map { units in
                    TaskSpec(
                        name: "digits",
                        script: Array(script),
                        hyperParameters: ["n_units": .int32(units)],
                        savedResultKeys: ["test_accuracy"],
                        files: [TaskFile(path: "digits.csv.gz", data: Array(digits))]
                    )
                }
            )
            try await hub.waitForTasks(.ids(ids)) { progress in
                print("\(progress.total - progress.unfinished) of \(progress.total) tasks are done")
            }

            print("n_units  test_accuracy")
            for task in try await hub.findTasks(.ids(ids), sort: .descending("result.test_accuracy")) {
                let units = task.hyperParameters?["n_units"]?.intValue ?? 0
                let accuracy = task.result["test_accuracy"]?.doubleValue ?? .nan
                print("\(units)      \(accuracy)")
            }
        }
    }
}
