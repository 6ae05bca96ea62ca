import ArgumentParser
import BSON
import Console
import TensorHub

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a script printed.",
        discussion: """
            Of a progress bar only the last state of each line is shown, and on a terminal
            control sequences other than colours are left out; --raw writes the bytes as
            they were printed. With --json each line of the output becomes a JSON object
            on a line of its own, with `attempt` and `text`; also `bytes` where the line
            is no UTF-8, and `continues` where it is longer than 64 MiB and goes on in
            the next object.

            With -f the exit status is that of the task: 0 finished, 100 failed, 103
            cancelled.

            Example:
              tensorhub logs -f 412
            """
    )

    @Argument(help: "The task: its number, its id or @last.", completion: Completion.tasks)
    var id: String

    @Flag(name: .shortAndLong, help: "Go on with what is printed, until the task ends; end with its status.")
    var follow = false

    @Option(help: "The output of that attempt instead of the latest.")
    var attempt: Int?

    @Flag(help: "Write the bytes as the script printed them.")
    var raw = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let asked = try TaskID.parse(id)
        if raw && output.json { throw CommandFailure.badInput("--raw and --json exclude each other; give one") }
        if follow && attempt != nil {
            throw CommandFailure.badInput("-f follows the latest attempt; leave --attempt out")
        }
        if let attempt, attempt < 1 {
            throw CommandFailure.badInput("--attempt is \(attempt); attempts are numbered from 1")
        }
        let hub = try await connection.hub()
        let id = try await hub.task(typed: asked)
        let first = try await hub.task(id, projection: ["script": 0, "hub.files": 0])
        if let attempt, attempt > first.attempt {
            throw CommandFailure.nothingMatched(
                "task \(first.label) has had \(counted(first.attempt, "attempt")), not \(attempt)"
            )
        }
        let start = max(1, attempt ?? first.attempt)
        let printer = OutputPrinter(raw ? .raw : output.json ? .json : .lines, isLive: follow)
        var reader = OutputFollower(hub: hub, id: id, start: start, printer: printer)
        if follow {
            if first.status == .pending {
                StandardError.line("task \(first.label) is \(first.state); waiting for a runner")
            }
            throw ExitCode(try await reader.follow())
        }
        if try await !reader.read(attempt: start) {
            let begun = first.attempt == 0 ? ": it has not begun" : ""
            StandardError.line("attempt \(start) of task \(first.label) has printed nothing\(begun)")
        }
    }
}
