import BSON
import Glibc
import TensorHub
import TutorialArrays

/// The tutorial as a Swift program: saves the data set, pushes three tasks, waits for them, takes the best model, loads its
/// parameters and evaluates them here.
///
/// The first argument is the folder of the tutorial; without one, the current folder. Each task runs `tutorial-task`, which was
/// built with this program and lies beside it.
@main
struct Tutorial {
    static func main() async throws {
        let folder = CommandLine.arguments.dropFirst().first ?? "."
        let digits = try Digits(file: "\(folder)/../digits/digits.csv.gz")

        try await Hub.withHub(
            uri: variable("TENSORHUB_URI") ?? Hub.defaultURI,
            project: variable("TENSORHUB_PROJECT") ?? "tutorial"
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
            let script = Array("#!/bin/sh\nexec \"$TENSORHUB_HP_program\"\n".utf8)
            let program = try ownFolder() + "/tutorial-task"
            let ids = try await hub.createTasks(
                [800, 600, 400].map { units in
                    TaskSpec(
                        name: "digits",
                        script: script,
                        hyperParameters: ["n_units": .int32(units), "program": .string(program)],
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

    private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private static func ownFolder() throws -> String {
        guard let path = realpath("/proc/self/exe", nil) else { throw TutorialError("there is no /proc/self/exe") }
        defer { free(path) }
        return String(cString: path).split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
    }
}
