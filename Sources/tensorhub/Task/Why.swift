import ArgumentParser
import BSON
import Console
import TensorHub

struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say why a task is where it is, and what would change it.",
        discussion: """
            Of a pending task: what it waits for, its place in line, and for every known
            runner why that one does not take it. Of a running one: where, and whether its
            runner still gives signs of life. Of an ended one: how each attempt ended.

            Example:
              tensorhub why 412
            """
    )

    @Argument(help: "The task: its number, its id or @last.", completion: Completion.tasks)
    var id: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let asked = try TaskID.parse(id)
        let hub = try await connection.hub()
        let explanation = try await hub.explain(try await hub.task(typed: asked))
        output.show(explanation.document, or: WhyReport(explanation).text(width: StandardOutput.width))
    }
}
