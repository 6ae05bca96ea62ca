import BSON
import Console
import TensorHub

/// An explanation in sentences: the reason, and behind a semicolon what would change it.
struct WhyReport {
    private let explanation: TaskExplanation
    private var task: TaskRecord { explanation.task }
    private var id: String { task.label }

    init(_ explanation: TaskExplanation) {
        self.explanation = explanation
    }

    func text(width: Int?) -> String {
        let name = task.name.map { " (\($0))" } ?? ""
        var text = line("task \(id)\(name) is \(headline)")
        switch explanation.situation {
        case .pending(let waiting): text += pending(waiting)
        case .running(let execution): text += running(execution)
        case .ended: text += ended
        }
        let report = TaskReport(task, now: explanation.time)
        return text + report.attempts(width: width) + report.error
    }

    private var headline: String {
        switch explanation.situation {
        case .pending: "pending" + (task.time.map { ", created \(ago($0))" } ?? "")
        case .running:
            "running" + (task.started.map { " since \($0.shownText) (\(explanation.time.since($0).shortText))" } ?? "")
        case .ended: "\(task.status)" + (task.ended.map { " since \($0.shownText) (\(ago($0)))" } ?? "")
        }
    }

    // MARK: Pending

    private func pending(_ waiting: TaskExplanation.Waiting) -> String {
        var text = waiting.obstacles.map { line("  \(words($0))") }.joined()
        text += line("  place in line: \(Self.words(waiting.ahead)), by priority, then age")
        if let deadline = waiting.deadline {
            text += line(
                "  queue deadline: \(deadline.shownText) (\(until(deadline))); if it is still pending then, it fails"
            )
        }
        if waiting.candidates.isEmpty { return text }
        let pairs: [(String, String?)] = waiting.candidates.map { candidate in
            (candidate.runner.name ?? "\(candidate.runner.id)", words(candidate, isReady: waiting.obstacles.isEmpty))
        }
        return text + "\nrunners\n" + FactLines.text(pairs, indent: "  ")
    }

    private func words(_ obstacle: TaskObstacle) -> String {
        switch obstacle {
        case .held: "it is held; `tensorhub release \(id)` lets it start"
        case .notBefore(let time): "it waits for its time, \(time.shownText) (\(until(time)))"
        case .backingOff(let time, let failures, let limit, let cause):
            "failure \(failures) of \(limit)\(cause.map { " (\($0))" } ?? ""); it is tried again at \(time.shownText) (\(until(time)))"
        case .interrupted(let time, let cause):
            "it was given back\(cause.map { " (\($0))" } ?? ""); it goes on at \(time.shownText) (\(until(time)))"
        case .due: "its time has come; the next runner that looks at the queue makes it ready, within seconds"
        case .notAdopted: "another program wrote it; the next runner that looks at the queue adopts it, within seconds"
        case .notReady: "hub.ready is false and no field says why; set it to true, or submit the task again"
        case .noRunner: "no runner of this project is known; start tensorhubd on a machine"
        case .newerVersion(let version):
            "it needs a runner that knows version \(version) of tasks, and this TensorHub knows \(TaskObstacle.knownVersion); "
                + "start a newer tensorhubd"
        case .repeatedKey(let key):
            "it has the key '\(key)' twice, so that no runner can take it; submit it again with each key once"
        }
    }

    private func words(_ candidate: TaskExplanation.Candidate, isReady: Bool) -> String {
        let runner = candidate.runner
        var sentences = candidate.obstacles.map { Self.words($0, runner) }
        if let ahead = candidate.ahead, ahead.number > 0 {
            let order = runner.sort.map { " in its own order, \($0.document)" } ?? ""
            sentences.append("\(Self.words(ahead))\(order)")
        }
        if sentences.isEmpty { return isReady ? "takes it next" : "would take it at once" }
        return sentences.joined(separator: ". ")
    }

    private static func words(_ obstacle: RunnerObstacle, _ runner: RunnerRecord) -> String {
        let name = runner.name ?? "\(runner.id)"
        switch obstacle {
        case .lost(let silence):
            let length = silence.map { ", silent for \($0.shortText)" } ?? ""
            return "lost\(length); look at its machine and its network, and start its daemon again"
        case .paused(let control): return "paused\(by(control))\(why(control)); `tensorhub runner resume \(name)`"
        case .draining(let control): return "draining\(by(control)); `tensorhub runner resume \(name)`"
        case .drained(let control): return "drained\(by(control)); `tensorhub runner resume \(name)`"
        case .stopping(let control): return "stopping\(by(control)); start a new daemon there"
        case .full(let slots, let blocked):
            let rest = blocked == 0 ? "" : " (\(blocked) of them out of service; see its log)"
            return
                "no free slot, \(slots == 1 ? "its one is" : "all \(slots) are") taken\(rest); it looks again when one is free"
        case .otherNames(let names):
            return
                "takes only tasks named \(names.joined(separator: ", ")); change its task-names, or submit under such a name"
        case .filtered(let filter):
            return "its filter does not match, \(filter); change the task's fields or the runner's filter"
        case .filterFails(let message):
            return "its filter cannot be evaluated: \(message); correct the runner's filter"
        case .refused(let refusal):
            return "MongoDB takes no claims of it: \(refusal.text); it claims once MongoDB lets it"
        case .avoided: return "the task failed there and is to be tried elsewhere; another runner has to take it"
        case .lacks(let lack): return "\(lack.text); the task goes to another machine"
        }
    }

    private static func why(_ control: RunnerControl?) -> String { control?.reason.map { " by itself: \($0)" } ?? "" }

    private static func by(_ control: RunnerControl?) -> String { control?.by.map { " by \($0)" } ?? "" }

    private static func words(_ count: TaskCount) -> String {
        if count.number == 0 { return "no other task goes first" }
        let verb = count.number == 1 ? "goes" : "go"
        return "\(count.isCapped ? "at least " : "")\(counted(count.number, "task")) \(verb) first"
    }

    // MARK: Running and ended

    private func running(_ execution: TaskExplanation.Execution) -> String {
        var facts: [(String, String?)] = []
        if let host = execution.host {
            let runner = execution.runner.map { ", runner \($0.id), \($0.state)" } ?? ""
            facts.append(("on", host + runner))
        }
        if let lease = execution.lease {
            facts.append(
                (
                    "lease",
                    execution.isLeaseExpired
                        ? "ended \(ago(lease.expires)): its runner is gone or cut off; unless it comes back, the task will be rescued by another runner"
                        : "ends \(until(lease.expires)) unless renewed, as it is all the time"
                )
            )
        } else {
            facts.append(("lease", "none: a runner of TensorLayer's has it, which tells nobody whether it lives"))
        }
        facts.append(("last output", execution.lastOutput.map { ago($0) } ?? "none yet"))
        if let cancel = execution.cancel {
            facts.append(("cancelling", Self.words(cancel) + "; its script is being stopped"))
        }
        for refusal in execution.refused {
            let length = refusal.since.map { " (for \(explanation.time.since($0).shortText))" } ?? ""
            facts.append(("refused", "\(refusal.text)\(length); the attempt stays open until MongoDB takes it"))
        }
        return FactLines.text(facts, indent: "  ")
    }

    private var ended: String {
        guard let cancel = task.document.value(atPath: "hub.cancel")?.documentValue, task.status == .cancelled else {
            return ""
        }
        return FactLines.text([("cancelled", Self.words(TaskExplanation.CancelRequest(cancel)))], indent: "  ")
    }

    private static func words(_ cancel: TaskExplanation.CancelRequest) -> String {
        "asked for" + (cancel.by.map { " by \($0)" } ?? "") + (cancel.time.map { " at \($0.shownText)" } ?? "")
            + (cancel.reason.map { ": \($0)" } ?? "")
    }

    // MARK: Times

    private func ago(_ time: BSONDateTime) -> String { time.ago(explanation.time) }

    private func until(_ time: BSONDateTime) -> String {
        time > explanation.time ? "in \(time.since(explanation.time).shortText)" : ago(time)
    }

    private func line(_ text: String) -> String { TerminalText.oneLine(text) + "\n" }
}
