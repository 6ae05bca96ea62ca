import BSON
import Console
import TensorHub

/// What a task's script prints, from one attempt on.
struct OutputFollower {
    private let hub: Hub
    private let id: ObjectID
    private var last: OutputChunk
    private var printer: OutputPrinter

    /// How often it looks for more.
    private static let poll: Duration = .milliseconds(250)

    init(hub: Hub, id: ObjectID, start: Int, printer: OutputPrinter) {
        self.hub = hub
        self.id = id
        self.printer = printer
        // Behind everything of the attempt before.
        last = OutputChunk(attempt: start - 1, seq: .max, offset: 0, data: [])
    }

    /// What that attempt has printed so far. Returns whether there was anything.
    mutating func read(attempt: Int) async throws -> Bool {
        try await readMore(attempt)
        printer.finish()
        return !printer.isUnused
    }

    /// Prints until the task has ended, and says how. A database that is away for a while does not end a look at
    /// something that runs for hours.
    ///
    /// - Returns: The exit status.
    mutating func follow() async throws -> Int32 {
        var outage = Outage()
        while true {
            do {
                // The state first: all output is stored before a task ends.
                let fields: BSONDocument = ["status": 1, "hub.error.message": 1, "hub.number": 1]
                let task = try await hub.task(id, projection: fields)
                try await readMore(nil)
                if !task.status.isUnfinished { return conclude(task) }
                outage.end()
            } catch  where CommandFailure.isTransient(error) {
                outage.begin(error)
            }
            try await Task.sleep(for: outage.isOn ? Outage.pause : Self.poll)
        }
    }

    private mutating func conclude(_ ended: TaskRecord) -> Int32 {
        printer.finish()
        let reason = ended.error.map { ": \(TerminalText.oneLine($0.message))" } ?? ""
        StandardError.line("task \(ended.label) is \(ended.status)\(reason)")
        return TaskOutcome.status(failed: ended.status == .failed, cancelled: ended.status == .cancelled)
    }

    private mutating func readMore(_ attempt: Int?) async throws {
        while true {
            let chunks = try await hub.readOutput(of: id, attempt: attempt, after: last, limit: 16)
            guard let newest = chunks.last else { break }
            for chunk in chunks { printer.print(chunk) }
            last = newest
        }
        printer.showUnfinished()
    }
}
