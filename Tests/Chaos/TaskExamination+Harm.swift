import BSON
import TensorHub

/// What holds for tasks that are cancelled, that have a time limit, or whose scripts do harm to themselves.
extension TaskExamination {
    /// What only a script that does harm, a limit or a cancel can bring about.
    private static let causesOfHarm: Set<String> = [
        "journal-lost", "supervisor-stopped", "timeout", "stall", "cancelled",
    ]

    /// Attempts that may end uncounted besides those that are counted as lost: a machine without room for them.
    private static let uncounted = 3

    /// How much earlier than the cancel, by the server's clock, a claim may seem to be.
    private static let clockError: Int64 = 1000

    func causes() -> [String] {
        var found: [String] = []
        for entry in task.history {
            guard let cause = entry.cause else { continue }
            // A stop for which no runner has a reason: uncounted, so that the task goes round for ever.
            if cause == "request" {
                found.append("has an attempt \(entry.attempt) that was stopped by nobody we know, and not counted")
            }
            if Self.causesOfHarm.contains(cause), script.harm == nil, script.timeout == nil, expectation.cancel == nil {
                found.append("has an attempt \(entry.attempt) that ended by \(cause), which its script did not cause")
            }
        }
        let most = Int(script.mayFail ? RecordingScript.failures : 0) + Int(TaskStatements.lostLimit) + Self.uncounted
        if script.harm != nil, task.attempt > most {
            found.append("went round \(task.attempt) times by what its script does: \(tally)")
        }
        return found
    }

    private var tally: String {
        let causes = Dictionary(grouping: task.history.compactMap(\.cause), by: \.self)
        return causes.map { "\($0.key) \($0.value.count)" }.sorted().joined(separator: ", ")
    }

    func limits() -> [String] {
        var found: [String] = []
        if let timeout = script.timeout {
            for entry in task.history {
                guard let start = entry.start, let end = entry.end else { continue }
                let time = Duration.milliseconds(end.millisecondsSince1970 - start.millisecondsSince1970)
                if time > timeout + promptness {
                    found.append("has an attempt \(entry.attempt) that took \(time) with a time limit of \(timeout)")
                }
            }
        }
        guard let time = expectation.cancel?.acknowledged else { return found }
        if let ended = task.ended {
            let late = Duration.milliseconds(ended.millisecondsSince1970 - time.millisecondsSince1970)
            if late > promptness { found.append("ended \(late) after it was cancelled") }
        }
        for entry in task.history {
            guard let start = entry.start, start.millisecondsSince1970 > time.millisecondsSince1970 + Self.clockError
            else { continue }
            found.append("was started as attempt \(entry.attempt) after it was cancelled")
        }
        return found
    }
}
