import BSON
import Console
import TensorHub

/// An overview of a project, for people and for programs.
struct StatusReport {
    private let overview: ProjectOverview
    private let ids: IDOptions
    private let project: String

    init(_ overview: ProjectOverview, _ ids: IDOptions, project: String) {
        self.ids = ids
        self.overview = overview
        self.project = project
    }

    func text(width: Int?) -> String {
        var text = "project \(TerminalText.oneLine(project)): \(counts)\n"
        if !overview.running.isEmpty { text += "\nrunning\n" + running.text(width: width) }
        if !overview.failures.isEmpty { text += "\nfailed in the last day\n" + failures.text(width: width) }
        if let oldest = overview.oldest {
            text += "\nwaiting longest\n" + WhyReport(oldest).text(width: width)
        }
        text += "\nrunners\n"
        text += overview.runners.isEmpty ? "none; start tensorhubd on a machine\n" : runners.text(width: width)
        let lines = overview.runners.filter { $0.state != .stopped }.flatMap { runner in
            runner.lackTexts + [runner.pauseText].compactMap(\.self)
        }
        return text + lines.map { TerminalText.oneLine($0) + "\n" }.joined()
    }

    private var counts: String {
        let counts = TaskStatus.all.map { ($0, overview.counts[$0] ?? 0) }.filter { $0.1 > 0 }
        return counts.isEmpty ? "no tasks" : counts.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
    }

    private var running: Table {
        var table = Table([
            .init("ID"), .init("NAME", isName: true), .init("HOST", isName: true),
            .init("FOR", isRightAligned: true), .init("DONE", isRightAligned: true),
            .init("LEFT", isRightAligned: true),
            .init("SAYS", isElastic: true),
        ])
        table.rows = overview.running.map { task in
            [
                ids.text(task), task.name ?? "", task.history.last?.machine ?? "",
                task.duration(now: overview.time)?.shortText ?? "",
                task.progress?.fraction.map { "\(Int(($0 * 100).rounded(.down))) %" } ?? "",
                left(of: task)?.shortText ?? "", task.progress?.message ?? "",
            ]
        }
        return table
    }

    /// At the rate so far.
    private func left(of task: TaskRecord) -> Duration? {
        guard let fraction = task.progress?.fraction, fraction > 0, fraction <= 1, let time = task.progress?.time,
            let started = task.started
        else { return nil }
        let rest = time.since(started) / .seconds(1) * ((1 - fraction) / fraction)
        // Of more than thirty years nothing can be said.
        guard rest < 1e9 else { return nil }
        return max(.zero, .seconds(rest) - overview.time.since(time))
    }

    private var failures: Table {
        var table = Table([.init("TASKS", isRightAligned: true), .init("LATEST"), .init("LAST LINE", isElastic: true)])
        table.rows = overview.failures.map { ["\($0.count)", text($0), $0.reason] }
        return table
    }

    private func text(_ failure: ProjectOverview.Failures) -> String {
        ids.isFull ? "\(failure.latest)" : failure.number.map(String.init) ?? "\(failure.latest)"
    }

    private var runners: Table {
        var running: [ObjectID: Int] = [:]
        for task in overview.running { if let runner = task.lease?.runner { running[runner, default: 0] += 1 } }
        var table = Table([
            .init("NAME", isName: true), .init("STATE"), .init("RUNNING", isRightAligned: true),
            .init("SLOTS", isRightAligned: true), .init("SEEN", isRightAligned: true),
        ])
        table.rows = overview.runners.filter { $0.state != .stopped }.map { runner in
            [
                runner.name ?? "\(runner.id)", runner.stateText, "\(running[runner.id] ?? 0)", runner.slotsText,
                runner.silence.map { "\($0.shortText) ago" } ?? "",
            ]
        }
        return table
    }

    var document: BSONDocument {
        let counts = TaskStatus.all.map { ($0.rawValue, BSONValue(smallest: overview.counts[$0] ?? 0)) }
        let failures = overview.failures.map { failure -> BSONValue in
            var document: BSONDocument = [
                "reason": .string(failure.reason), "count": .init(smallest: failure.count),
                "latest": .objectID(failure.latest),
            ]
            if let number = failure.number { document.append("latest_number", .int64(Int64(number))) }
            return .document(document)
        }
        var document: BSONDocument = [
            "project": .string(project), "time": .dateTime(overview.time),
            "counts": .document(BSONDocument(elements: counts)),
            "running": .array(overview.running.map { .document($0.document) }), "failures": .array(failures),
            "failures_cut": .bool(overview.isFailureCountCapped),
            "runners": .array(overview.runners.map { .document($0.document) }),
        ]
        if let oldest = overview.oldest { document.append("oldest", .document(oldest.document)) }
        return document
    }
}
