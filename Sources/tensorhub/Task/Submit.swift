import ArgumentParser
import BSON
import Console
import TensorHub

struct Submit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create tasks that run a script, and print their ids.",
        discussion: """
            The script is stored as it is now. What it is started with: --interpreter,
            else its first line (#!), else by its extension (.py python3, .sh sh). A
            Python script finds the hyper-parameters as global variables and leaves the
            results as such.

            Examples:
              tensorhub submit train.py -p lr=0.1 -p layers=[800,600] --result loss
              tensorhub submit train.py -p @base.json --each grid.jsonl --name grid
              generate-grid | tensorhub submit train.py --each - | tensorhub wait -
            """
    )

    @Argument(help: "The file of the script.", completion: .file())
    var script: String

    @Option(
        name: [.customShort("p"), .customLong("parameter")],
        help: ArgumentHelp(
            "A hyper-parameter: name=value, the value as JSON if it is JSON, else as text; or @file.json, an object of them.",
            discussion: "May be repeated; the last one of a name counts.",
            valueName: "name=value"
        )
    )
    var parameters: [String] = []

    @Option(
        help: ArgumentHelp(
            "A file, or - for standard input, whose every line is a JSON object of hyper-parameters: a task for each.",
            discussion: "They are merged over those of -p.",
            valueName: "file"
        ),
        completion: .file()
    )
    var each: String?

    @Option(name: .customLong("result"), help: "A value that the script must leave behind; may be repeated.")
    var results: [String] = []

    @Option(
        name: .customLong("file"),
        help: ArgumentHelp(
            "A file that lies beside the script, under its own or another name.",
            valueName: "path[=name]"
        ),
        completion: .file()
    )
    var files: [String] = []

    @Option(help: "A name for all the tasks, to find them by.")
    var name: String?

    @OptionGroup var tags: TagOptions

    @Option(help: "Higher goes first.")
    var priority: Int32 = 0

    @Option(help: "Create each task so many times.")
    var count = 1

    @Option(help: "How often the script may fail until its task is failed.")
    var maxFailures = TaskSpec.defaultMaxFailures

    @Option(
        help: """
            The wait after the first failure, doubled with each further one: 10s, 5m; 0s for none.
            """
    )
    var backoff: String?

    @Option(
        name: .customLong("on"),
        help: ArgumentHelp(
            "What follows a failure: exit=3:fail, signal=9:retry, kind=timeout:fail, output=CUDA error:elsewhere.",
            discussion: "May be repeated; the first that matches counts. `elsewhere` is another runner.",
            valueName: "condition=value:action"
        )
    )
    var rules: [String] = []

    @Option(help: "The longest that an attempt may take: 90s, 30m, 2h. Then SIGTERM, after the grace time SIGKILL.")
    var timeout: String?

    @Option(help: "The longest that the script may print nothing; then as after --timeout.")
    var stall: String?

    @Option(help: "From SIGTERM to SIGKILL when the script has to stop: 30s, 5m.")
    var grace: String?

    @Option(help: "Not to be started before: 18:00, +2h from now, or 2026-08-01T09:00:00Z.")
    var notBefore: String?

    @Option(help: "Failed if no runner has taken it by then: 18:00, +12h from now, or 2026-08-01T18:00:00Z.")
    var deadline: String?

    @Flag(help: "Keep the tasks from being started until `tensorhub release`.")
    var hold = false

    @Option(help: "The program that runs the script, with arguments: 'python3 -O'.")
    var interpreter: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    static let largestCount = 1_000_000

    /// Tasks and bytes of scripts and files that are made ready at once.
    private static let batch = (tasks: 10_000, bytes: 48 << 20)

    func run() async throws {
        guard (1...Self.largestCount).contains(count) else {
            throw CommandFailure.badInput("--count is \(count); it must be from 1 to \(Self.largestCount)")
        }
        // Everything is read and checked before anything is written, or even a server looked for.
        var specs = try specs()
        let hub = try await connection.hub()
        if let notBefore {
            let time = try await WrittenTime.time(notBefore, "--not-before", hub)
            for index in specs.indices { specs[index].notBefore = time }
        }
        if let deadline {
            let time = try await WrittenTime.time(deadline, "--deadline", hub)
            for index in specs.indices { specs[index].deadline = time }
        }
        try await create(specs, hub)
    }

    private func create(_ specs: [TaskSpec], _ hub: Hub) async throws {
        let size = specs[0].script.count + specs[0].files.reduce(0) { $0 + $1.data.count }
        let limit = max(1, min(Self.batch.tasks, Self.batch.bytes / max(1, size)))
        let total = specs.count * count
        var created = 0
        while created < total {
            let next = (created..<min(total, created + limit)).map { specs[$0 / count] }
            do {
                let ids = try await hub.createTasks(next)
                write(ids, isFirst: created == 0, note: Self.note(created + ids.count, of: total))
            } catch {
                if created > 0 {
                    if output.json { StandardOutput.write("\n]\n") }
                    let all = counted(total, "task")
                    StandardError.line("only \(created) of the \(all) were created; their ids are on standard output")
                }
                throw error
            }
            created += next.count
        }
        if output.json { StandardOutput.receipt("\n]\n") }
        StandardError.line("\(counted(total, "task")) created in project \(hub.project)")
    }

    /// What to say where the ids cannot be written: no more tasks are created then.
    private static func note(_ created: Int, of total: Int) -> String {
        created == total ? "\(counted(total, "task")) created" : "only \(created) of the \(total) tasks were created"
    }

    /// Each batch at once: the ids of tasks that exist must not be lost with a later batch. As JSON it is one array.
    private func write(_ ids: [ObjectID], isFirst: Bool, note: String) {
        if output.json {
            let lines = ids.map { BSONDocument(elements: [("_id", .objectID($0))]).extendedJSON() }
            StandardOutput.receipt((isFirst ? "[\n" : ",\n") + lines.joined(separator: ",\n"), note: note)
        } else {
            StandardOutput.receipt(ids.map { "\($0)\n" }.joined(), note: note)
        }
    }

    private func specs() throws -> [TaskSpec] {
        let script = try InputFile(script, role: "script", limit: TaskSpec.maximumScriptSize).bytes
        if script.isEmpty {
            throw CommandFailure.badInput("script: \(self.script) is empty; give a file with at least one line")
        }
        let byItself = interpreter ?? (self.script.utf8.reversed().starts(with: "yp.".utf8) ? "python3" : nil)
        try TaskSpec.checkByteOrderMark(script, interpreter: byItself, path: self.script)
        var spec = TaskSpec(
            name: name,
            script: script,
            hyperParameters: try Assignment.document(parameters, flag: "-p", filesAllowed: true),
            savedResultKeys: results,
            tags: try tags.document(),
            interpreter: try TaskSpec.interpreter(interpreter, script: script, path: self.script),
            files: try files.map(Self.file),
            priority: priority,
            maxFailures: maxFailures,
            backoff: try WrittenTime.duration(backoff, "--backoff") ?? TaskSpec.defaultBackoff,
            rules: try rules.map { try FailureRule(parsing: $0) },
            timeout: try WrittenTime.duration(timeout, "--timeout"),
            stall: try WrittenTime.duration(stall, "--stall"),
            grace: try WrittenTime.duration(grace, "--grace"),
            hold: hold
        )
        guard let each else {
            try spec.validate()
            return [spec]
        }
        let base = spec.hyperParameters
        var checked: TaskSpec?
        return try ParameterLines.read(each).map { line in
            spec.hyperParameters = base.merging(line.document)
            do throws(HubError) {
                try spec.validate(after: checked)
            } catch {
                throw CommandFailure.badInput("\(line.place): \(error.message)")
            }
            checked = spec
            return spec
        }
    }
}
