import BSON
import Console
import MongoDriver
import TensorHub

/// What log entries cost: saving them in batches against the C program, reading the newest ones of a million, and
/// `tensorhub.report()` in a Python script under a real runner.
struct BenchLogs {
    let site: BenchSite
    let rounds: Int

    /// Entries of a round of saving.
    static let saved = 20_000
    static let many = 1_000_000
    static let few = 1_000
    static let read = 100
    /// How often a round reads.
    static let reads = 20
    /// Entries that a script reports in a round.
    static let reported = 50_000

    func measure() async throws -> [BenchMeasurement] {
        // The indexes are made before anything is measured.
        for kind in LogKind.allCases { _ = try await site.hub.countLogs(kind, "nothing" == true) }
        var results = [try await save(batch: 100), try await save(batch: 1000)]
        results += try await report()
        results.append(try await readNewest())
        return results
    }

    // MARK: Saving

    private func save(batch: Int) async throws -> BenchMeasurement {
        var result = BenchMeasurement(
            name: "save logs, batches of \(batch)",
            unit: "entries/s",
            ours: [],
            goal: .atLeast(0.8)
        )
        for _ in 0..<rounds {
            let origin = AttemptID(task: ObjectID(), number: 1)
            var seconds = 0.0
            for start in stride(from: 0, to: Self.saved, by: batch) {
                let values = (start..<start + batch).map(Self.values)
                let time = try await ContinuousClock().measure {
                    try await site.hub.saveLogs(.training, values, origin: origin)
                }
                seconds += time / .seconds(1)
            }
            result.ours.append(Double(Self.saved) / seconds)
            if site.floor != nil {
                let report = try await BenchRunner.floor(
                    "logs",
                    at: site,
                    name: "logs-\(ObjectID())",
                    count: Self.saved,
                    ["--batch", "\(batch)"]
                )
                result.reference.append(report["per_second"]?.doubleValue ?? .nan)
            }
            _ = try await site.hub.deleteLogs(.training, .all)
        }
        return result
    }

    private static func values(_ step: Int) -> BSONDocument {
        ["loss": .double(1 / Double(step + 1)), "accuracy": 0.5, "step": .int32(Int32(step))]
    }

    // MARK: Reading

    /// The newest of a million, by time and of one task, against the newest of a thousand.
    private func readNewest() async throws -> BenchMeasurement {
        let tasks = try await fill(.training, Self.many)
        _ = try await fill(.validation, Self.few)
        var result = BenchMeasurement(
            name: "read \(Self.read) newest of \(Self.many)",
            unit: "ms",
            ours: [],
            referenceName: "of \(Self.few)",
            goal: .atMost(2)
        )
        for _ in 0..<rounds {
            result.reference.append(try await milliseconds(.validation, .all))
            result.ours.append(
                max(try await milliseconds(.training, .all), try await milliseconds(.training, .tasks([tasks[3]])))
            )
        }
        for kind in [LogKind.training, .validation] { _ = try await site.hub.deleteLogs(kind, .all) }
        return result
    }

    private func milliseconds(_ kind: LogKind, _ filter: Filter) async throws -> Double {
        var times: [Double] = []
        for _ in 0..<Self.reads {
            var count = 0
            let time = try await ContinuousClock().measure {
                count = try await site.hub.logs(kind, filter, sort: .newest, limit: Self.read).count
            }
            guard count == Self.read else {
                throw CommandFailure.failure("\(count) log entries were read, not \(Self.read)")
            }
            times.append(time / .milliseconds(1))
        }
        return times.median ?? .nan
    }

    /// Entries of ten tasks in turn.
    private func fill(_ kind: LogKind, _ count: Int) async throws -> [ObjectID] {
        let tasks = (0..<10).map { _ in ObjectID() }
        for start in stride(from: 0, to: count, by: 1000) {
            let origin = AttemptID(task: tasks[start / 1000 % 10], number: 1)
            try await site.hub.saveLogs(kind, (start..<start + 1000).map(Self.values), origin: origin)
        }
        return tasks
    }

    // MARK: Reporting

    /// What one call costs the script, and how many entries a second come from one script into MongoDB, the last one
    /// included. Every one must be there exactly once.
    private func report() async throws -> [BenchMeasurement] {
        var cost = BenchMeasurement(
            name: "report(), median",
            unit: "us",
            ours: [],
            referenceName: "",
            goal: .atMost(100)
        )
        var tail = BenchMeasurement(name: "report(), 99 %", unit: "us", ours: [], referenceName: "")
        var rate = BenchMeasurement(
            name: "reported into MongoDB",
            unit: "entries/s",
            ours: [],
            referenceName: "",
            goal: .atLeast(5000)
        )
        for _ in 0..<rounds {
            let task = try await runReportingScript()
            cost.ours.append(task.result["median"]?.doubleValue ?? .nan)
            tail.ours.append(task.result["high"]?.doubleValue ?? .nan)
            let began = task.result["began"]?.doubleValue ?? .nan
            // All entries of an attempt are in MongoDB before its end is.
            let ended = task.document.value(atPath: "hub.ended")?.dateTimeValue?.millisecondsSince1970 ?? 0
            rate.ours.append(Double(Self.reported) / (Double(ended) / 1000 - began))
        }
        return [cost, tail, rate]
    }

    private func runReportingScript() async throws -> TaskRecord {
        let name = "report-\(ObjectID())"
        let id = try await site.hub.createTask(
            TaskSpec(
                name: name,
                script: Self.script,
                hyperParameters: ["count": .init(smallest: Self.reported)],
                savedResultKeys: ["median", "high", "began"]
            )
        )
        let runner = try BenchRunner.start(.ours, at: site, name: name, slots: 1, count: 1)
        try await BenchRunner.with([runner], endBySelves: false) { isGoing in
            try await site.waitForEnd(of: name, every: .milliseconds(100), while: isGoing)
        }
        let task = try await site.hub.task(id)
        guard task.status == .finished else {
            throw CommandFailure.failure(
                "the reporting script is \(task.status): \(task.error?.message ?? "no error") \(task.error?.tail ?? "")"
            )
        }
        var steps: Set<Int> = []
        var count = 0
        try await site.hub.forEachLog(.training, .tasks([id]), fields: ["step"]) { entry in
            count += 1
            if let step = entry.document["step"]?.intValue { steps.insert(step) }
        }
        guard count == Self.reported, steps.count == count else {
            throw CommandFailure.failure(
                "\(steps.count) of \(Self.reported) reported entries are in MongoDB, in \(count) documents"
            )
        }
        _ = try await site.hub.deleteLogs(.training, .tasks([id]))
        return task
    }

    /// Reports as fast as it can, and takes the time of every call.
    static let script = """
        import time
        import tensorhub

        tensorhub.report(loss=1.0, step=0)
        times = [0] * (count - 1)
        began = time.time()
        for step in range(1, count):
            start = time.perf_counter_ns()
            tensorhub.report(loss=1.0 / step, accuracy=0.5, step=step)
            times[step - 1] = time.perf_counter_ns() - start
        times.sort()
        median = times[len(times) // 2] / 1000
        high = times[len(times) * 99 // 100] / 1000

        """
}
