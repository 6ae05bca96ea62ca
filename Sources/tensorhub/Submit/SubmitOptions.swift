public import ArgumentParser
import BSON
import Console
public import TensorHub

/// What one task is, as `submit` and `run` are told.
struct SubmitOptions: ParsableArguments {
    @Argument(help: "The file of the script; left out where what is behind -- is the command.", completion: .file())
    var script: String?

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp(
            "Behind --: the script's arguments, or a command. {name} becomes that hyper-parameter.",
            valueName: "args"
        )
    )
    var args: [String] = []

    @Option(
        name: .customLong("args"),
        help: ArgumentHelp(
            "Hand all hyper-parameters over as arguments: --name=value, or in another form.",
            discussion: "no-hyphens is name=value, no-boolean-flags is --name where it is true, else nothing.",
            valueName: "form"
        ),
        completion: .list(ArgumentStyle.allCases.map(\.rawValue))
    )
    var parameterArguments: ArgumentStyle?

    @Option(
        name: [.customShort("p"), .customLong("parameter")],
        help: ArgumentHelp(
            "A hyper-parameter: name=value; or @file.json, an object of them.",
            discussion:
                "The value is JSON, a number, None, True, False, nan or inf, else text. The last of a name counts.",
            valueName: "name=value"
        )
    )
    var parameters: [String] = []

    @Option(
        name: .customLong("text"),
        help: ArgumentHelp("A hyper-parameter that is text, whatever it looks like.", valueName: "name=value")
    )
    var texts: [String] = []

    @Option(name: .customLong("result"), help: "A value that the script must leave behind; may be repeated.")
    var results: [String] = []

    @Option(
        name: .customLong("file"),
        help: ArgumentHelp(
            "A file or folder that lies beside the script, under its own or another name.",
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

    @Option(
        help: ArgumentHelp(
            "The Python to run it: a program, a virtual environment or conda:NAME, on the runner.",
            valueName: "python"
        )
    )
    var python: String?

    @Option(help: "A folder of the runners' to run it in, such as one on NFS; it is not sent along.")
    var cwd: String?

    @Option(
        help: ArgumentHelp(
            "A variable of the script's environment: NAME=value, or NAME as it is here; may be repeated.",
            valueName: "name[=value]"
        )
    )
    var env: [String] = []

    /// Everything is read and checked before anything is written, or even a server looked for.
    ///
    /// - Parameters:
    ///   - each: As `--each` has it; a task for each of its lines.
    ///   - python: The submitter's own choice, where `--python` is not given.
    func specs(each: String? = nil, python fallback: String?) throws -> [TaskSpec] {
        var spec = try spec()
        spec.python = python ?? fallback
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

    private func spec() throws -> TaskSpec {
        var spec = TaskSpec(
            name: name,
            script: [],
            hyperParameters: try hyperParameters(),
            savedResultKeys: results,
            tags: try tags.document(),
            files: try files.flatMap { text throws(CommandFailure) in try SentFile.read(text) },
            priority: priority,
            maxFailures: maxFailures,
            backoff: try WrittenTime.duration(backoff, "--backoff") ?? TaskSpec.defaultBackoff,
            rules: try rules.map { try FailureRule(parsing: $0) },
            timeout: try WrittenTime.duration(timeout, "--timeout"),
            stall: try WrittenTime.duration(stall, "--stall"),
            grace: try WrittenTime.duration(grace, "--grace"),
            hold: hold
        )
        spec.parameterArguments = parameterArguments
        spec.workingDirectory = cwd
        spec.variables = try SentVariables.document(env)
        if let script {
            try readScript(script, into: &spec)
            spec.arguments = args
        } else {
            try CommandWords(args).check(files: spec.files, cwd: cwd, interpreter: interpreter)
            spec.command = args
        }
        return spec
    }

    private func hyperParameters() throws(CommandFailure) -> BSONDocument {
        let read = try Assignment.document(parameters, flag: "-p", filesAllowed: true) { note in
            StandardError.line("note: \(note)")
        }
        return read.merging(try Assignment.texts(texts, flag: "--text"))
    }

    private func readScript(_ path: String, into spec: inout TaskSpec) throws {
        let script = try InputFile(path, role: "script", limit: TaskSpec.maximumScriptSize).bytes
        if script.isEmpty {
            throw CommandFailure.badInput("script: \(path) is empty; give a file with at least one line")
        }
        if path.bytes.hasSuffix(".ipynb") {
            let name = path.bytes.dropping(end: ".ipynb") ?? path
            throw CommandFailure.badInput(
                "script: \(path) is a notebook, which no interpreter runs; "
                    + "convert it with `jupyter nbconvert --to script \(path)` and submit \(name).py"
            )
        }
        let byItself = interpreter ?? (path.bytes.hasSuffix(".py") ? "python3" : nil)
        try TaskSpec.checkByteOrderMark(script, interpreter: byItself, path: path)
        spec.script = script
        spec.scriptName = TaskSpec.scriptName(of: path)
        spec.interpreter = try TaskSpec.interpreter(interpreter, script: script, path: path)
    }

    /// Times that depend on the server's clock.
    func setTimes(of specs: inout [TaskSpec], _ hub: Hub) async throws {
        if let notBefore {
            let time = try await WrittenTime.time(notBefore, "--not-before", hub)
            for index in specs.indices { specs[index].notBefore = time }
        }
        if let deadline {
            let time = try await WrittenTime.time(deadline, "--deadline", hub)
            for index in specs.indices { specs[index].deadline = time }
        }
    }
}

extension ArgumentStyle: ExpressibleByArgument {}
