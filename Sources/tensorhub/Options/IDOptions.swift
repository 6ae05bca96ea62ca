import ArgumentParser
import BSON
import Console
import TensorHub

/// How tasks are called in a table.
struct IDOptions: ParsableArguments {
    @Flag(name: .customLong("full-ids"), help: "Show the 24 digits of ids instead of the numbers of tasks.")
    var isFull = false

    func text(_ task: TaskRecord) -> String { isFull ? task.document["_id"]?.tableText ?? "" : task.label }
}
