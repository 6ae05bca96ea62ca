import ArgumentParser
import BSON
import Console
import Settings
import Synchronization
import TensorHub
import UnixSignals

struct Run: AsyncParsableCommand, HandlesSignals {
    static let configuration = CommandConfiguration(
        abstract: "Submit one task, show what it prints, and end with its status.",
        discussion: """
            Ctrl-C asks the task to end, and its output goes on until it has; a second
            Ctrl-C leaves it at that. A terminal that is closed leaves the task running.

            Exit status: 0 finished, 100 failed, 103 cancelled.

            Example:
              tensorhub run train.py -p lr=0.1 -- --lr '{lr}'
            """
    )

    @OptionGroup var task: SubmitOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        var specs = try task.specs(python: try connection.settings().submittedPython)
        SubmitHints.tell(specs[0], script: task.script)
        let hub = try await connection.hub()
        try await task.setTimes(of: &specs, hub)
        let made = try await hub.submitTasks([specs[0]], by: CurrentUser.name)
        StandardError.line(CreatedText.words(made, hub))
        let (id, label) = (made[0].id, CreatedText.label(made[0]))
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let status = try await withThrowingTaskGroup(of: Int32?.self) { group in
            group.addTask {
                let printer = OutputPrinter(.lines, isLive: true)
                var follower = OutputFollower(hub: hub, id: id, start: 1, printer: printer)
                return try await follower.follow()
            }
            group.addTask { try await Self.cancel(id, label, hub, on: signals) }
            defer { group.cancelAll() }
            // The task's end, or a second signal.
            return try await group.next() ?? nil
        }
        throw ExitCode(status ?? ExitStatus.interrupted)
    }

    /// - Returns: `nil` at the second signal.
    private static func cancel(
        _ id: ObjectID,
        _ label: String,
        _ hub: Hub,
        on signals: UnixSignalsSequence
    ) async throws -> Int32? {
        var isAsked = false
        for await _ in signals {
            if isAsked { return nil }
            do {
                _ = try await hub.cancelTasks(.ids([id]), by: CurrentUser.name, reason: "Ctrl-C")
                isAsked = true
                StandardError.line(
                    "task \(label) was asked to end; Ctrl-C again leaves at once, and it ends all the same"
                )
            } catch {
                StandardError.line("task \(label) cannot be asked to end now: \(error)")
            }
        }
        return nil
    }
}
