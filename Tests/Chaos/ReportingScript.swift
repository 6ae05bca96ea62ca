import BSON
import TensorHub
import TestSupport

/// A Python script that reports all the while and takes the time of every call: what an outage costs it, by its own
/// clock.
struct ReportingScript {
    /// How long MongoDB is away meanwhile; it reports for some seconds longer.
    var outage: Duration

    private var duration: Duration { outage + .seconds(15) }

    var spec: TaskSpec {
        TaskSpec(
            script: """
                import time
                import tensorhub

                count, longest = 0, 0.0
                end = time.monotonic() + duration
                while time.monotonic() < end:
                    begun = time.monotonic()
                    tensorhub.report(step=count, loss=1 / (count + 1))
                    longest = max(longest, time.monotonic() - begun)
                    count += 1
                    # The pace of a training loop.
                    time.sleep(0.005)

                """,
            hyperParameters: ["duration": .double(duration / .seconds(1))],
            savedResultKeys: ["count", "longest"]
        )
    }

    /// Compares what it says with what MongoDB has, and takes its task away again.
    func check(_ id: ObjectID, _ hub: Hub, say: (String) -> Void) async throws -> [HistoryChecker.Violation] {
        let task = try await hub.task(id)
        let steps = try await hub.logs(.training, .tasks([id])).map { $0.values["step"]?.intValue ?? -1 }
        try await hub.deleteTasks(.ids([id]))
        guard task.status == .finished, let count = task.result["count"]?.intValue,
            let longest = task.result["longest"]?.doubleValue
        else { return [.init(task: id, sentence: "reported and ended \(task.status): \(task.error?.message ?? "")")] }
        say("a script reported \(count) entries; the longest call took \(Int(longest * 1000)) ms")
        var sentences: [String] = []
        if steps != Array(0..<count) {
            sentences.append("reported \(count) entries and MongoDB has \(steps.count), or not in order")
        }
        // A busy machine may keep it waiting for a while, but only MongoDB's absence for so long.
        if Duration.seconds(longest) > outage / 2 { sentences.append("waited \(longest) s in a report") }
        if task.attempt != 1 { sentences.append("took \(task.attempt) attempts") }
        return sentences.map { .init(task: id, sentence: $0) }
    }
}
