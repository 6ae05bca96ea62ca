package import BSON
package import TensorHub

/// Compares what the scripts recorded with what MongoDB holds when all is over.
///
/// It proves, for every task that was created: it ended, in one terminal state, with one accepted result at most, which
/// is that of the attempt named in the document; its history has no gap, and every attempt that ran is in it; no
/// attempt ran beside another unless the history says that the earlier one was lost; nothing of the accepted output is
/// missing or there twice; limits and cancels took effect in time; what a script did to itself was counted. It only
/// computes: planted faults show that it finds them.
package struct HistoryChecker: Sendable {
    /// A task that was created, and how it must end.
    package struct Expectation: Sendable {
        package var task: ObjectID
        package var script: RecordingScript
        /// Somebody has asked for its end, or may have.
        package var cancel: Cancel?

        package init(task: ObjectID, script: RecordingScript, cancel: Cancel? = nil) {
            self.task = task
            self.script = script
            self.cancel = cancel
        }
    }

    /// A request to cancel a task.
    package struct Cancel: Sendable, Hashable {
        /// By the server's clock, when it had been acknowledged for a task that had not ended; `nil` where nobody knows
        /// what became of the request.
        package var acknowledged: BSONDateTime?

        package init(acknowledged: BSONDateTime? = nil) { self.acknowledged = acknowledged }
    }

    /// One thing that must not be.
    package struct Violation: Sendable, Hashable, CustomStringConvertible {
        package var task: ObjectID?
        /// A sentence without the task.
        package var sentence: String

        package var description: String { task.map { "task \($0) \(sentence)" } ?? sentence }
    }

    package var expectations: [Expectation]
    package var tasks: [TaskRecord]
    package var output: [ObjectID: [OutputChunk]]
    package var record: ScriptRecord
    /// The names of runners whose disk was full for a while: there is no place for what a script prints then.
    package var fullHosts: Set<String> = []
    /// Within which a time limit or a cancel must take effect, whatever a script does to its supervisor.
    package var promptness = Duration.seconds(30)

    package init(
        expectations: [Expectation],
        tasks: [TaskRecord],
        output: [ObjectID: [OutputChunk]],
        record: ScriptRecord
    ) {
        self.expectations = expectations
        self.tasks = tasks
        self.output = output
        self.record = record
    }

    /// Everything that must not be; empty means that nothing was lost and nothing was done twice.
    package func violations() -> [Violation] {
        var found = record.damaged.map { Violation(sentence: "the record has a line that no script wrote: \($0)") }
        let known = Set(expectations.map(\.task))
        let stored = Dictionary(
            tasks.compactMap { task in task.id.map { ($0, task) } },
            uniquingKeysWith: { first, _ in first }
        )
        for id in stored.keys where !known.contains(id) {
            found.append(Violation(task: id, sentence: "is in the database although nobody created it"))
        }
        let lines = Dictionary(grouping: record.lines.enumerated(), by: \.element.task)
        for id in lines.keys where !known.contains(id) {
            found.append(Violation(task: id, sentence: "ran although nobody created it"))
        }
        for expectation in expectations {
            guard let task = stored[expectation.task] else {
                found.append(Violation(task: expectation.task, sentence: "is lost: there is no document"))
                continue
            }
            let examination = TaskExamination(
                expectation: expectation,
                task: task,
                output: output[expectation.task] ?? [],
                fullHosts: fullHosts,
                promptness: promptness,
                lines: (lines[expectation.task] ?? []).map { (position: $0.offset, line: $0.element) }
            )
            found += examination.sentences().map { Violation(task: expectation.task, sentence: $0) }
        }
        return found
    }
}
