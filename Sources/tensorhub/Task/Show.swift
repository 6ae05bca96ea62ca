import ArgumentParser
import BSON
import Console
import MongoDriver
import TensorHub

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show all about one task: state, attempts, results, error.",
        discussion: """
            Examples:
              tensorhub show 412
              tensorhub show 412 --script > train.py
            """
    )

    @Argument(help: "The task: its number, its id or @last.", completion: Completion.tasks)
    var id: String

    @Flag(help: "Write the script as it was submitted, and nothing else.")
    var script = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let asked = try TaskID.parse(id)
        if script && output.json { throw CommandFailure.badInput("--script and --json exclude each other; give one") }
        let hub = try await connection.hub()
        let id = try await hub.task(typed: asked)
        if script {
            let task = try await hub.task(id)
            guard let bytes = task.script else {
                throw CommandFailure.failure("the script of task \(task.label) is not binary, so nothing can run it")
            }
            StandardOutput.write(bytes)
            return
        }
        let task = try await hub.task(id, projection: ["script": 0, "hub.files.data": 0])
        output.show(task.document, or: TaskReport(task, now: .now).text(width: StandardOutput.width))
    }
}
