import BSON
import Console
import TensorHub

/// Everything about a task, for a person.
struct TaskReport {
    private let task: TaskRecord
    private let now: BSONDateTime

    init(_ task: TaskRecord, now: BSONDateTime) {
        self.task = task
        self.now = now
    }

    func text(width: Int?) -> String {
        var text = facts
        text += section("hyper-parameters", task.hyperParameters ?? [:])
        text += section("result", task.result)
        text += section("tags", task.tags)
        text += files
        text += attempts(width: width)
        text += error
        return text
    }

    private var facts: String {
        var facts: [(String, String?)] = [
            ("number", task.number.map { "\($0)" }),
            ("id", task.document["_id"]?.tableText),
            ("name", task.name),
            ("project", task.project),
            ("again from", task.origin.map { "\($0)" }),
            ("status", task.state),
            (
                "created",
                task.time.map { "\($0.shownText) (\($0.ago(now)))" + (task.account.map { " by \($0)" } ?? "") }
            ),
        ]
        if let notBefore = task.notBefore { facts.append(("not before", notBefore.shownText)) }
        if task.priority != 0 { facts.append(("priority", "\(task.priority)")) }
        facts += [
            ("started", task.started?.shownText),
            ("ended", task.ended?.shownText),
            ("duration", task.duration(now: now)?.shortText),
            ("attempt", "\(task.attempt)"),
            ("progress", task.progress.map(text)),
            ("failures", "\(task.failures) of \(task.maxFailures)"),
            ("back-off", task.backoff == TaskSpec.defaultBackoff ? nil : task.backoff.shortText),
            ("rules", task.rules.isEmpty ? nil : task.rules.map(\.text).joined(separator: ", ")),
            ("interruptions", task.interruptions == 0 ? nil : "\(task.interruptions), \(task.lost) of them lost"),
            ("stays away from", task.avoided.isEmpty ? nil : task.avoided.joined(separator: ", ")),
            ("not there", task.lacks.isEmpty ? nil : task.lacks.map(\.text).joined(separator: "; ")),
            ("timeout", task.timeout?.shortText),
            ("stall limit", task.stall?.shortText),
            ("queue deadline", task.deadline?.shownText),
            ("grace", task.grace?.shortText),
            ("interpreter", task.interpreter),
            ("command", words(task.command)),
            ("arguments", words(task.arguments)),
            ("hyper-parameters as arguments", task.parameterArguments?.rawValue),
            ("runs in", task.workingDirectory.map { "\($0), as it is there then: no snapshot" }),
            ("python", task.python),
            ("variables", words(task.variables.map { "\($0.key)=\($0.value.tableText)" })),
            ("never used", task.history.last.flatMap { $0.unused.isEmpty ? nil : $0.unused.joined(separator: ", ") }),
            ("result keys", task.savedResultKeys.flatMap { $0.isEmpty ? nil : $0.joined(separator: ", ") }),
        ]
        if let cancel = task.document.value(atPath: "hub.cancel")?.documentValue {
            let by = cancel["by"]?.stringValue.map { " by \($0)" } ?? ""
            let reason = cancel["reason"]?.stringValue.map { ": \($0)" } ?? ""
            facts.append(
                ("cancelled", (cancel["time"].map { $0.dateTimeValue?.shownText ?? $0.tableText } ?? "") + by + reason)
            )
        }
        return FactLines.text(facts, state: "status")
    }

    private func words(_ words: [String]) -> String? {
        if words.isEmpty { return nil }
        return words.map { $0.isEmpty || $0.utf8.contains(0x20) ? "'\($0)'" : $0 }.joined(separator: " ")
    }

    private func text(_ progress: ReportedProgress) -> String {
        let parts = [
            progress.fraction.map { "\(Int(($0 * 100).rounded(.down))) %" },
            progress.message.map { TerminalText.oneLine($0) },
            progress.time.map { "(\($0.ago(now)))" },
        ]
        return parts.compactMap { $0 }.joined(separator: " ")
    }

    private func section(_ title: String, _ document: BSONDocument) -> String {
        if document.isEmpty { return "" }
        return "\n\(title)\n" + FactLines.text(document.map { ($0.key, $0.value.tableText) }, indent: "  ")
    }

    private var files: String {
        let entries = task.document.value(atPath: "hub.files")?.arrayValue ?? []
        let paths = entries.compactMap { $0.documentValue?["path"]?.stringValue }
        return paths.isEmpty ? "" : "\nfiles\n" + paths.map { "  \(TerminalText.oneLine($0))\n" }.joined()
    }

    func attempts(width: Int?) -> String {
        if task.history.isEmpty { return "" }
        var table = Table([
            .init("ATTEMPT", isRightAligned: true), .init("HOST", isElastic: true), .init("STARTED"),
            .init("DURATION", isRightAligned: true), .init("ENDED WITH"), .init("EXIT", isRightAligned: true),
            .init("SIGNAL", isRightAligned: true), .init("PEAK MEMORY", isRightAligned: true),
        ])
        table.rows = task.history.map { attempt in
            let end = attempt.end ?? now
            return [
                "\(attempt.attempt)", attempt.host ?? "", attempt.start?.shownText ?? "",
                attempt.start.map { end.since($0).shortText } ?? "",
                (attempt.cause ?? "running") + (attempt.outputLost > 0 ? ", output lost" : "")
                    + (attempt.refused > 0 ? ", \(attempt.refused) not stored" : ""),
                attempt.exit.map(String.init) ?? "", attempt.signal.map(String.init) ?? "",
                attempt.peakMemory.map { "\(($0 + (1 << 19)) >> 20) MiB" } ?? "",
            ]
        }
        return "\nattempts\n" + table.text(width: width)
    }

    var error: String {
        guard let error = task.error else { return "" }
        var text =
            "\n\(Colour.red.on("error"))\n"
            + FactLines.text([("kind", error.kind), ("message", error.message)], indent: "  ")
        if let tail = error.tail, !tail.isEmpty {
            text += "  last output\n"
            var output = OutputLines()
            output.add(tail.utf8) { line, _ in text += "    \(TerminalText.scriptLine(line))\n" }
            output.finish { line, _ in text += "    \(TerminalText.scriptLine(line))\n" }
        }
        return text
    }
}
