import BSON
import FoundationEssentials
import TensorHub

/// The tutorial as a Swift program: saves the data set, pushes three tasks, waits for them, takes the best model, loads its
/// parameters and evaluates them here.
///
/// The first argument is the folder with `tutorial_task.py`; without one, the current folder.
@main
struct Tutorial {
    static func main() async throws {
        let folder = CommandLine.arguments.dropFirst().first ?? "."
        let environment = ProcessInfo.processInfo.environment
        let digits = try Digits(file: "\(folder)/../digits/digits.csv.gz")

        try await Hub.withHub(
            uri: environment["TENSORHUB_URI"] ?? Hub.defaultURI,
            project: environment["TENSORHUB_PROJECT"] ?? "tutorial"
        ) { hub in
            // Delete existing tasks, models and data sets in this project.
            _ = try await hub.deleteTasks(.all)
            try await hub.deleteModels(ContentQuery())
            try await hub.deleteDataSets(ContentQuery())

            // Save the data set, so that the runners can use it: the arrays of a Python tuple.
            let archive = NumPyArchive(digits.parts.flatMap { [$0.images, $0.digits] })
            try await hub.saveDataSet(
                Content(
                    kind: .arrays,
                    files: [SourceFile(path: "data.npz", source: .bytes(archive.bytes))],
                    form: "tuple"
                ),
                name: "digits",
                tags: ["description": "handwriting digit"]
            )

            // Push tasks.
            let script = Array(try Data(contentsOf: URL(filePath: "\(folder)/tutorial_task.py")))
            let ids = try await hub.createTasks(
                [800, 600, 400].map { units in
                    TaskSpec(
                        name: "digits",
                        script: script,
                        hyperParameters: ["n_units": .int32(units)],
                        savedResultKeys: ["test_accuracy"],
                        tags: ["description": .string("\(units)")]
                    )
                }
            )

            print("waiting runners to finish the tasks")
            try await hub.waitForTasks(.ids(ids))
            print("all tasks finished")
            for task in try await hub.findTasks(.ids(ids), sort: .descending("result.test_accuracy")) {
                let units = task.hyperParameters?["n_units"]?.intValue ?? 0
                print("task \(units): \(task.status) \(task.result.extendedJSON())")
            }

            // Get the best model, load it and evaluate it.
            let best = try await hub.findModel(ContentQuery(name: "mlp", sort: .descending("test_accuracy")))
            let accuracy = best.tags["test_accuracy"]?.doubleValue ?? .nan
            print("the best accuracy \(accuracy) is from model \(best.tags["name"]?.stringValue ?? "?")")
            var bytes: [UInt8] = []
            for file in best.files {
                for try await piece in hub.read(file, in: .models) { bytes += piece }
            }
            let network = try Network(architecture: best.architecture ?? [:], weights: NumPyArchive(bytes).arrays)
            print("its accuracy evaluated here: \(network.accuracy(on: digits.parts[2]))")
        }
    }
}
