import ArgumentParser
import BSON
import Console
import Settings
import TensorHub

struct Submit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create tasks that run a script, and print their ids.",
        discussion: """
            The script is stored as it is now. What it is started with: --interpreter,
            else its first line (#!), else by its extension (.py python3, .sh sh). A
            Python script finds the hyper-parameters as global variables and leaves the
            results as such.

            What follows -- goes to the script as its command line; {lr} there becomes the
            hyper-parameter lr. Without a script it is the command to run.

            Examples:
              tensorhub submit train.py -p lr=0.1 -p layers=[800,600] --result loss
              tensorhub submit train.py -p lr=0.1 -- --lr '{lr}' --epochs 3
              tensorhub submit --file train.py -- python3 train.py --epochs 3
              tensorhub submit train.py -p @base.json --each grid.jsonl --name grid
              generate-grid | tensorhub submit train.py --each - | tensorhub wait -
            """
    )

    @OptionGroup var task: SubmitOptions

    @Option(
        help: ArgumentHelp(
            "A file, or - for standard input, whose every line is a JSON object of hyper-parameters: a task for each.",
            discussion: "They are merged over those of -p.",
            valueName: "file"
        ),
        completion: .file()
    )
    var each: String?

    @Option(help: "Create each task so many times.")
    var count = 1

    @Flag(help: "Wait until the tasks have ended, and end with their status, as `tensorhub wait` does.")
    var wait = false

    @Flag(help: "Show what would be created, with types and arguments, and create nothing.")
    var dryRun = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    static let largestCount = 1_000_000

    /// Tasks and bytes of scripts and files that are made ready at once.
    private static let batch = (tasks: 10_000, bytes: 48 << 20)

    func run() async throws {
        guard (1...Self.largestCount).contains(count) else {
            throw CommandFailure.badInput("--count is \(count); it must be from 1 to \(Self.largestCount)")
        }
        var specs = try task.specs(each: each, python: try connection.settings().submittedPython)
        SubmitHints.tell(specs[0], script: task.script)
        if dryRun {
            SubmitPreview(specs: specs, count: count, project: try connection.settings().project).show(output)
            return
        }
        let hub = try await connection.hub()
        try await task.setTimes(of: &specs, hub)
        let ids = try await create(specs, hub)
        if wait { try await TaskWait(hub: hub, selection: .ids(ids), isQuiet: false).run() }
    }

    private func create(_ specs: [TaskSpec], _ hub: Hub) async throws -> [ObjectID] {
        let size = specs[0].script.count + specs[0].files.reduce(0) { $0 + $1.data.count }
        let limit = max(1, min(Self.batch.tasks, Self.batch.bytes / max(1, size)))
        let total = specs.count * count
        var all: [CreatedTask] = []
        var submission = try await hub.submission(of: total, by: CurrentUser.name)
        while all.count < total {
            let created = all.count
            let next = (created..<min(total, created + limit)).map { specs[$0 / count] }
            do {
                let made = try await hub.createTasks(next, in: &submission)
                all += made
                write(made, isFirst: created == 0, note: Self.note(all.count, of: total))
            } catch {
                if created > 0 {
                    if output.json { StandardOutput.write("\n]\n") }
                    let all = counted(total, "task")
                    StandardError.line("only \(created) of the \(all) were created; their ids are on standard output")
                }
                throw error
            }
        }
        if output.json { StandardOutput.receipt("\n]\n") }
        StandardError.line(CreatedText.words(all, hub))
        return all.map(\.id)
    }

    /// What to say where the ids cannot be written: no more tasks are created then.
    private static func note(_ created: Int, of total: Int) -> String {
        created == total ? "\(counted(total, "task")) created" : "only \(created) of the \(total) tasks were created"
    }

    /// Each batch at once: the ids of tasks that exist must not be lost with a later batch. As JSON it is one array.
    private func write(_ made: [CreatedTask], isFirst: Bool, note: String) {
        if output.json {
            let lines = made.map { CreatedText.document($0).extendedJSON() }
            StandardOutput.receipt((isFirst ? "[\n" : ",\n") + lines.joined(separator: ",\n"), note: note)
        } else {
            StandardOutput.receipt(made.map { "\($0.id)\n" }.joined(), note: note)
        }
    }
}
