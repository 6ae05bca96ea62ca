import BSON
import Glibc
import ScriptClient
import TutorialArrays

/// What each task of the Swift form runs: `tutorial_task.py` as a Swift program.
@main
struct TutorialTask {
    static func main() async throws {
        try await Attempt.run { attempt in
            guard let units = attempt.hyperParameters["n_units"]?.intValue else {
                throw TutorialError("the task has no n_units")
            }

            // Load the data set from the database: images and digits to train, to validate and to test.
            let data = try await attempt.dataSet("digits")
            let arrays = try NumPyArchive(try bytes(of: data.files[0].localPath)).arrays
            guard arrays.count == 6 else { throw TutorialError("the data set has \(arrays.count) arrays, not 6") }

            // Train the network.
            let epochs = 40
            var training = Training(inputs: arrays[0].shape[1], units: units, outputs: 10)
            for epoch in 0..<epochs {
                let loss = training.epoch(images: arrays[0], digits: arrays[1])
                let accuracy = training.accuracy(images: arrays[2], digits: arrays[3])
                let entry: BSONDocument = ["n_units": BSONValue(smallest: units), "epoch": BSONValue(smallest: epoch)]
                try attempt.report(adding("loss", loss, to: entry))
                try attempt.report(adding("accuracy", accuracy, to: entry), to: .validation)
                try attempt.progress(Double(epoch + 1) / Double(epochs), message: "epoch \(epoch + 1) of \(epochs)")
                print("epoch \(epoch + 1) of \(epochs): loss \(loss), accuracy \(accuracy)")
                fflush(nil)
            }

            // Evaluate it and save the model and the result.
            let accuracy = training.accuracy(images: arrays[4], digits: arrays[5])
            try attempt.report(["n_units": BSONValue(smallest: units), "accuracy": .double(accuracy)], to: .testing)
            try await attempt.saveModel(
                "mlp",
                NewContent(
                    kind: .arrays,
                    files: [.init(path: "parameters.npz", source: .bytes(NumPyArchive(training.weights).bytes))],
                    form: "list"
                ),
                architecture: training.architecture,
                tags: ["name": .string("\(units)"), "test_accuracy": .double(accuracy)]
            )
            try await attempt.saveResults(["test_accuracy": .double(accuracy)])
        }
    }

    private static func adding(_ name: String, _ value: Double, to entry: BSONDocument) -> BSONDocument {
        var entry = entry
        entry[name] = .double(value)
        return entry
    }

    private static func bytes(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "re") else { throw TutorialError("\(path) cannot be opened") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}
