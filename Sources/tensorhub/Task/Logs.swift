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
              tensorhub logs -f 65f0c0ffee0123456789abcd
            """
    )

    @Argument(help: "The id of the task.", completion: Completion.tasks)
    var id: String

    @Flag(name: .shortAndLong, help: "Go on with what is printed, until the task ends; end with its status.")
    var follow = false

    @Option(help: "The output of that attempt instead of the latest.")
    var attempt: Int?

    @Flag(help: "Write the bytes as the script printed them.")
    var raw = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    /// How often a follower looks for more.
    private static let poll: Duration = .milliseconds(250)

    func run() async throws {
        let id = try TaskID.parse(id)
        if raw && output.json { throw CommandFailure.badInput("--raw and --json exclude each other; give one") }
        if follow && attempt != nil {
            throw CommandFailure.badInput("-f follows the latest attempt; leave --attempt out")
        }
        if let attempt, attempt < 1 {
            throw CommandFailure.badInput("--attempt is \(attempt); attempts are numbered from 1")
        }
        let hub = try await connection.hub()
        let first = try await hub.task(id, projection: ["script": 0, "hub.files": 0])
        if let attempt, attempt > first.attempt {
            throw CommandFailure.nothingMatched(
                "task \(id) has had \(counted(first.attempt, "attempt")), not \(attempt)"
            )
        }
        var printer = OutputPrinter(raw ? .raw : output.json ? .json : .lines, isLive: follow)
        let start = max(1, attempt ?? first.attempt)
        if !follow {
            try await read(hub, id, after: Self.end(ofAttempt: start - 1), attempt: start, &printer)
            printer.finish()
            if printer.isUnused {
                StandardError.line(
                    "attempt \(start) of task \(id) has printed nothing\(first.attempt == 0 ? ": it has not begun" : "")"
                )
            }
            return
        }
        if first.status == .pending { StandardError.line("task \(id) is \(first.state); waiting for a runner") }
        let ended = try await follow(hub, id, from: start, &printer)
        printer.finish()
        StandardError.line(
            "task \(id) is \(ended.status)" + (ended.error.map { ": \(TerminalText.oneLine($0.message))" } ?? "")
        )
        throw ExitCode(TaskOutcome.status(failed: ended.status == .failed, cancelled: ended.status == .cancelled))
    }

    /// A database that is away for a while does not end a look at something that runs for hours.
    private func follow(
        _ hub: Hub,
        _ id: ObjectID,
        from start: Int,
        _ printer: inout OutputPrinter
    ) async throws -> TaskRecord {
        var last = Self.end(ofAttempt: start - 1)
        var outage = Outage()
        while true {
            do {
                // The state first: all output is stored before a task ends.
                let task = try await hub.task(id, projection: ["status": 1, "hub.error.message": 1])
                last = try await read(hub, id, after: last, attempt: nil, &printer)
                if !task.status.isUnfinished { return task }
                outage.end()
            } catch  where CommandFailure.isTransient(error) {
                outage.begin(error)
            }
            try await Task.sleep(for: outage.isOn ? Outage.pause : Self.poll)
        }
    }

    @discardableResult
    private func read(
        _ hub: Hub,
        _ id: ObjectID,
        after last: OutputChunk,
        attempt: Int?,
        _ printer: inout OutputPrinter
    ) async throws -> OutputChunk {
        var last = last
        while true {
            let chunks = try await hub.readOutput(of: id, attempt: attempt, after: last, limit: 16)
            guard let newest = chunks.last else { break }
            for chunk in chunks { printer.print(chunk) }
            last = newest
        }
        printer.showUnfinished()
        return last
    }

    /// A place behind everything of that attempt.
    private static func end(ofAttempt attempt: Int) -> OutputChunk {
        OutputChunk(attempt: attempt, seq: .max, offset: 0, data: [])
    }
}
