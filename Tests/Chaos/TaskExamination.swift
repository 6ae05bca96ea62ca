import BSON
import TensorHub

/// What one task must fulfil when all is over; part of `HistoryChecker`.
struct TaskExamination {
    let expectation: HistoryChecker.Expectation
    let task: TaskRecord
    let output: [OutputChunk]
    let fullHosts: Set<String>
    /// Within which a time limit or a cancel takes effect.
    let promptness: Duration
    /// With their places in the record.
    let lines: [(position: Int, line: ScriptRecord.Line)]

    var script: RecordingScript { expectation.script }
    var id: ObjectID { expectation.task }

    /// After these the runner cannot vouch for the script's death: another attempt may begin beside it.
    static let lossCauses: Set<String> = [TaskStatements.runnerLost, "supervisor-lost"]

    /// Milliseconds by which a claim's time may lie before the end that made it possible: a statement's time is that of
    /// its beginning, and a server that is frozen, or retries it, may carry it out seconds later.
    private static let statementSkew: Int64 = 10_000

    func sentences() -> [String] {
        ending() + history() + causes() + limits() + runs() + overlaps() + accepted()
    }

    // MARK: The document

    private func ending() -> [String] {
        var found: [String] = []
        switch task.status {
        case .finished:
            if script.exit != 0 { found.append("is finished although its script exits \(script.exit)") }
            if script.outlivesLimit { found.append("is finished although its script runs for longer than it may") }
        case .failed:
            let lost = task.history.count { Self.lossCauses.contains($0.cause ?? "") }
            let isLoss = Self.lossCauses.contains(task.error?.kind ?? "")
            let isLostForGood = isLoss && lost >= TaskStatements.lostLimit
            if !script.mayFail, !isLostForGood {
                found.append("is failed although its script does not fail: \(task.error?.message ?? "no error")")
            }
            if script.mayFail, !isLostForGood, task.failures != task.maxFailures {
                found.append("is failed after \(task.failures) failures instead of \(task.maxFailures)")
            }
        case .cancelled where expectation.cancel != nil: break
        case .pending, .running:
            return ["is still \(task.status): it has not ended"]
        default:
            found.append("has the state '\(task.status)', which is none that these tasks can end in")
        }
        if task.document["hub"]?.documentValue?["lease"] != nil {
            found.append("is \(task.status) and still has a lease")
        }
        return found
    }

    private func history() -> [String] {
        var found: [String] = []
        let entries = task.history
        let numbers = entries.map(\.attempt)
        let limit = Int(TaskStatements.historyLimit)
        let first = max(1, task.attempt - limit + 1)
        if numbers != Array(first..<(max(first, task.attempt + 1))) {
            found.append("has the attempts \(numbers) in its history instead of \(first) to \(task.attempt)")
        }
        if task.status.isUnfinished { return found }
        for entry in entries {
            if entry.end == nil || entry.cause == nil {
                found.append("has an attempt \(entry.attempt) that nobody ended")
            }
        }
        for (earlier, later) in zip(entries, entries.dropFirst()) {
            if let end = earlier.end, let start = later.start,
                start.millisecondsSince1970 < end.millisecondsSince1970 - Self.statementSkew
            {
                found.append("has an attempt \(later.attempt) that was claimed before attempt \(earlier.attempt) ended")
            }
        }
        let finished = entries.filter { $0.cause == "finished" }.map(\.attempt)
        let expected = task.status == .finished ? [task.attempt] : []
        if finished != expected {
            found.append("is \(task.status) at attempt \(task.attempt), but the attempts \(finished) say 'finished'")
        }
        return found
    }

    // MARK: The record

    private func runs() -> [String] {
        var found: [String] = []
        let oldest = task.history.map(\.attempt).min() ?? 1
        let known = Set(task.history.map(\.attempt))
        let attempts = Dictionary(grouping: lines.map(\.line), by: \.attempt).sorted { $0.key < $1.key }
        for (attempt, lines) in attempts {
            if !known.contains(attempt), !(attempt >= 1 && attempt < oldest && oldest > 1) {
                found.append("ran as attempt \(attempt), which its history does not know")
            }
            let starts = lines.count { $0.event == .start }
            if starts != 1 { found.append("was started \(starts) times as attempt \(attempt)") }
            let ends = lines.count { $0.event == .end }
            if ends > 1 { found.append("came to its end \(ends) times as attempt \(attempt)") }
        }
        if task.status == .finished,
            !lines.contains(where: { $0.line.attempt == task.attempt && $0.line.event == .end })
        {
            found.append("is finished, but the script of attempt \(task.attempt) never came to its end")
        }
        return found
    }

    private func overlaps() -> [String] {
        var pairs: Set<[Int]> = []
        var starts: [Int: Int] = [:]
        var ends: [Int: Int] = [:]
        for (position, line) in lines {
            switch line.event {
            case .start: starts[line.attempt] = starts[line.attempt] ?? position
            case .end: ends[line.attempt] = position
            case .harm: break
            case .beside: pairs.insert([line.attempt, line.other ?? line.attempt].sorted())
            }
        }
        for (earlier, end) in ends {
            for (later, start) in starts where later > earlier && start < end { pairs.insert([earlier, later]) }
        }
        let causes = Dictionary(task.history.map { ($0.attempt, $0.cause) }, uniquingKeysWith: { first, _ in first })
        return pairs.sorted { $0.lexicographicallyPrecedes($1) }.compactMap { pair in
            let cause = (causes[pair[0]] ?? nil) ?? "nothing"
            if Self.lossCauses.contains(cause) { return nil }
            return "ran as attempt \(pair[1]) while attempt \(pair[0]), which ended by \(cause), was alive"
        }
    }

    // MARK: Result and output

    private func accepted() -> [String] {
        // Of an attempt that has destroyed its own journal, output may be missing anywhere.
        let isHarmed = script.harm?.damagesJournal ?? false
        var found = isHarmed ? [] : chunks()
        guard task.status == .finished else {
            if !task.result.isEmpty { found.append("is \(task.status) and has a result") }
            return found
        }
        let result = task.result
        if result.isEmpty {
            found.append("is finished without a result")
        } else if result["task"]?.stringValue != id.description || result["attempt"]?.intValue != task.attempt {
            found.append(
                "has the result \(result.extendedJSON(.relaxed)), which is not that of its attempt \(task.attempt)"
            )
        }
        if isHarmed { return found }
        if let host = task.history.last?.host, fullHosts.contains(host) { return found }
        let own = output.filter { $0.attempt == task.attempt }
        let stored = own.reduce(0) { $0 + $1.data.count }
        let printed = script.outputBytes(task: id, attempt: task.attempt)
        if stored != printed {
            found.append("has \(stored) of the \(printed) bytes that its attempt \(task.attempt) printed")
        }
        let text = String(
            decoding: (own.first?.data.prefix(64) ?? []) + (own.last?.data.suffix(64) ?? []),
            as: UTF8.self
        )
        if !text.hasPrefix("\(id) \(task.attempt) begun\n") || !text.hasSuffix("\(id) \(task.attempt) ended\n") {
            found.append("has output that does not begin and end as its attempt \(task.attempt) printed it")
        }
        return found
    }

    /// No piece is missing before another one, and none is there twice, in no attempt.
    private func chunks() -> [String] {
        var found: [String] = []
        for (attempt, chunks) in Dictionary(grouping: output, by: \.attempt).sorted(by: { $0.key < $1.key }) {
            var next: (seq: Int64, offset: Int64) = (0, 0)
            for chunk in chunks.sorted(by: { $0.seq < $1.seq }) {
                guard chunk.seq == next.seq, chunk.offset == next.offset else {
                    found.append(
                        "has a piece \(chunk.seq) at byte \(chunk.offset) in the output of attempt \(attempt) where piece "
                            + "\(next.seq) at byte \(next.offset) is due"
                    )
                    break
                }
                next = (chunk.seq + 1, chunk.offset + Int64(chunk.data.count))
            }
        }
        return found
    }
}
