import BSON
import Console
import MongoDriver
import TensorHub

/// The rounds of each scenario: ours, then the other, then ours again.
struct BenchRounds {
    let site: BenchSite
    let rounds: Int
    let tasks: Int
    /// GiB that pass through for the measurement of memory; 0 for none.
    var blobMemory = 0

    static let slots = 4
    static let createdTasks = 10_000
    /// Per round; small enough that the rounds of both stay close together.
    static let dispatchedTasks = 40

    func measure(_ scenarios: [BenchScenario], otherTasks: Int) async throws -> [BenchMeasurement] {
        var measurements: [BenchMeasurement] = []
        for scenario in scenarios {
            if scenario == .dispatch, site.stamp == nil {
                StandardError.line("tensorhub-bench: dispatch is left out; it needs --floor")
                continue
            }
            StandardError.line("tensorhub-bench: \(scenario.rawValue): \(scenario.summary)")
            let new: [BenchMeasurement] =
                switch scenario {
                case .throughput: [try await throughput("throughput", script: "#!/bin/true\n", prints: false)]
                case .output: [try await throughput("throughput with output", script: "#!/bin/echo\n", prints: true)]
                case .dispatch: try await dispatch()
                case .create: [try await create()]
                case .idle: try await BenchIdle(site: site).measure()
                case .crowd: try await crowd()
                case .blobs: try await blobs()
                case .logs: try await BenchLogs(site: site, rounds: rounds).measure()
                }
            measurements += new
        }
        for index in measurements.indices { measurements[index].otherTasks = otherTasks }
        return measurements
    }

    /// A task name that no round has had.
    private func newName(_ scenario: BenchScenario) -> String { "\(scenario.rawValue)-\(ObjectID())" }

    // MARK: Tasks per second

    private func throughput(_ name: String, script: String, prints: Bool) async throws -> BenchMeasurement {
        var result = BenchMeasurement(name: name, unit: "tasks/s", ours: [], goal: .atLeast(0.7))
        for _ in 0..<rounds {
            result.ours.append(try await rate(.ours, script: script, prints: prints))
            if site.floor != nil { result.reference.append(try await rate(.floor, script: script, prints: prints)) }
        }
        return result
    }

    /// Tasks per second of a queue that is full when the runners start.
    private func rate(
        _ contender: BenchContender,
        script: String,
        prints: Bool = false,
        slots: Int = Self.slots,
        runners: Int = 1
    ) async throws -> Double {
        let name = newName(.throughput)
        let output = try await site.hub.output.countDocuments()
        _ = try await site.hub.createTasks(site.specs(tasks, name: name, script: script))
        try await settle()
        let started = try (0..<runners).map { _ in
            try BenchRunner.start(contender, at: site, name: name, slots: slots, count: tasks)
        }
        try await BenchRunner.with(started, endBySelves: contender == .floor) { isGoing in
            try await site.waitForEnd(of: name, every: .milliseconds(200), while: isGoing)
        }
        let seconds = try await site.seconds(of: name, count: tasks)
        if prints, try await site.hub.output.countDocuments() != output + tasks {
            throw CommandFailure.failure("not every task of \(name) has its output")
        }
        return Double(tasks) / seconds
    }

    /// What the last round set going at the server has a moment to come to rest.
    private func settle() async throws { try await Task.sleep(for: .seconds(1)) }

    // MARK: Many slots, many runners

    private func crowd() async throws -> [BenchMeasurement] {
        let one = "1 runner, 4 slots"
        var slots = BenchMeasurement(
            name: "64 slots",
            unit: "tasks/s",
            ours: [],
            referenceName: one,
            goal: .atLeast(1)
        )
        var runners = BenchMeasurement(
            name: "16 runners",
            unit: "tasks/s",
            ours: [],
            referenceName: one,
            goal: .atLeast(1)
        )
        for _ in 0..<rounds {
            let alone = try await crowdRate(slots: Self.slots, runners: 1)
            slots.ours.append(try await crowdRate(slots: 64, runners: 1))
            runners.ours.append(try await crowdRate(slots: Self.slots, runners: 16))
            slots.reference.append(alone)
            runners.reference.append(alone)
        }
        return [slots, runners]
    }

    /// Each script writes a line, so that what ran is known from another side than MongoDB's.
    private func crowdRate(slots: Int, runners: Int) async throws -> Double {
        let file = "\(site.folder.path)/ran-\(ObjectID())"
        let script = "#!/bin/sh\necho \"$TENSORHUB_TASK_ID\" >> '\(file)'\n"
        let rate = try await rate(.ours, script: script, slots: slots, runners: runners)
        let lines = try InputFile(file, role: "crowd").bytes.split(separator: UInt8(ascii: "\n"))
        guard lines.count == tasks, Set(lines).count == tasks else {
            throw CommandFailure.failure(
                "\(lines.count) scripts of \(Set(lines).count) tasks ran, where each of \(tasks) should have run once"
            )
        }
        return rate
    }

    // MARK: Creation

    private func create() async throws -> BenchMeasurement {
        var result = BenchMeasurement(name: "create 10,000", unit: "tasks/s", ours: [], goal: .atLeast(0.8))
        let count = Self.createdTasks
        for _ in 0..<rounds {
            let name = newName(.create)
            let specs = site.specs(count, name: name, script: "#!/bin/true\n")
            try await site.hub.ensureIndexes()
            try await settle()
            let seconds =
                try await ContinuousClock().measure { _ = try await site.hub.createTasks(specs) } / .seconds(1)
            result.ours.append(Double(count) / seconds)
            _ = try await site.hub.deleteTasks(.named(name))
            guard site.floor != nil else { continue }
            try await settle()
            let report = try await BenchRunner.floor("insert", at: site, name: name, count: count)
            result.reference.append(report["per_second"]?.doubleValue ?? .nan)
            _ = try await site.hub.deleteTasks(.named(name))
        }
        return result
    }

    // MARK: Contents

    private func blobs() async throws -> [BenchMeasurement] {
        let speed = try await BenchBlobs(site: site).measure(rounds: rounds)
        if blobMemory == 0 { return speed }
        return try await speed + BenchBlobMemory(site: site, gibibytes: blobMemory).measure()
    }

    // MARK: Latency

    private func dispatch() async throws -> [BenchMeasurement] {
        guard let stamp = site.stamp else { return [] }
        var ours: [[Double]] = []
        var floor: [[Double]] = []
        for _ in 0..<rounds {
            ours.append(try await BenchDispatch(site: site, stamp: stamp).measure(name: newName(.dispatch)))
            let report = try await BenchRunner.floor(
                "dispatch",
                at: site,
                name: newName(.dispatch),
                count: Self.dispatchedTasks,
                ["--stamp", stamp, "--state", "\(site.folder.path)/state-\(ObjectID())"]
            )
            floor.append(report["milliseconds"]?.arrayValue?.compactMap(\.doubleValue) ?? [])
        }
        return [
            BenchMeasurement(
                name: "dispatch, median",
                unit: "ms",
                ours: ours.compactMap(\.median),
                reference: floor.compactMap(\.median),
                goal: .atMost(1.5)
            ),
            // Of all rounds together: one round has too few for a percentile.
            BenchMeasurement(
                name: "dispatch, 99 %",
                unit: "ms",
                ours: [ours.flatMap(\.self).percentile(0.99) ?? .nan],
                reference: [floor.flatMap(\.self).percentile(0.99) ?? .nan]
            ),
        ]
    }
}
