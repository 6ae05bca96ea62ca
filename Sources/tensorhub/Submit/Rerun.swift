import ArgumentParser
import BSON
import Console
import TensorHub

struct Rerun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create a task that is another one with other hyper-parameters or options, and print its id.",
        discussion: """
            Script, files, hyper-parameters, result keys, tags and options are those of the
            task, but for its times and its hold. The new one says where it comes from.
            `tensorhub retry` runs the same task again.

            Example:
              tensorhub rerun 412 -p lr=0.01
            """
    )

    @Argument(help: "The task: its number, its id or @last.", completion: Completion.tasks)
    var id: String

    @Option(
        name: [.customShort("p"), .customLong("parameter")],
        help: ArgumentHelp("A hyper-parameter in place of the task's; may be repeated.", valueName: "name=value")
    )
    var parameters: [String] = []

    @Option(
        name: .customLong("text"),
        help: ArgumentHelp("A hyper-parameter that is text, whatever it looks like.", valueName: "name=value")
    )
    var texts: [String] = []

    @Option(help: "Another name.")
    var name: String?

    @OptionGroup var tags: TagOptions
    @OptionGroup var changes: OptionChanges
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let asked = try TaskID.parse(id)
        let given = try Assignment.document(parameters, flag: "-p", filesAllowed: true)
            .merging(try Assignment.texts(texts, flag: "--text"))
        let tags = try tags.document()
        let hub = try await connection.hub()
        let origin = try await hub.task(typed: asked)
        let change = try await changes.change(hub)
        let made = try await hub.rerunTask(
            origin,
            name: name,
            hyperParameters: given,
            tags: tags,
            by: CurrentUser.name
        ) { change(&$0) }
        output.receipt(CreatedText.document(made), made.id)
        StandardError.line("\(CreatedText.words([made], hub)), from task \(try await hub.task(origin).label)")
    }
}
