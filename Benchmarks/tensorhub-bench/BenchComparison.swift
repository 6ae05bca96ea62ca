import BSON
import Console
import Glibc
import TensorHub

/// This build against another one, in turn, each measured in the same way: for `tensorhub-bench --against`.
///
/// In a round each build has one runner, which works off a full queue, rests, and then gets tasks one by one. Who comes
/// first changes from round to round, so that neither always has the emptier server.
struct BenchComparison {
    let site: BenchSite
    let rounds: Int
    let tasks: Int

    /// System calls do not depend on how busy the machine is.
    private static let tracedRounds = 3
    /// What may be lost where nothing is said of a spread.
    private static let worse = 1.03

    /// What a round tells of one build.
    private struct Figures {
        var throughput: [Double] = []
        var processor: [Double] = []
        var server: [Double] = []
        var statements: [Double] = []
        var memory: [Double] = []
        var dispatch: [Double] = []
        var calls: [Double] = []
        var made: [Double] = []
        var changed: [Double] = []
    }

    func measure() async throws -> [BenchMeasurement] {
        var ours = Figures()
        var other = Figures()
        for round in 0..<rounds {
            StandardError.line("tensorhub-bench: round \(round + 1) of \(rounds)")
            if round.isMultiple(of: 2) { try await measure(.ours, into: &ours) }
            try await measure(.other, into: &other)
            if !round.isMultiple(of: 2) { try await measure(.ours, into: &ours) }
        }
        if BenchTrace.isPossible {
            for round in 0..<min(rounds, Self.tracedRounds) {
                StandardError.line("tensorhub-bench: counting system calls, round \(round + 1)")
                try await trace(.ours, into: &ours)
                try await trace(.other, into: &other)
            }
        } else {
            StandardError.line(
                "tensorhub-bench: system calls and files are left out; there is no strace (package strace)"
            )
        }
        return Self.measurements(ours, other)
    }

    private static func measurements(_ ours: Figures, _ other: Figures) -> [BenchMeasurement] {
        func row(_ name: String, _ unit: String, _ path: KeyPath<Figures, [Double]>, _ goal: BenchGoal)
            -> BenchMeasurement
        {
            BenchMeasurement(
                name: name,
                unit: unit,
                ours: ours[keyPath: path],
                reference: other[keyPath: path],
                referenceName: "other",
                goal: goal,
                spread: BenchSpread.range(ours[keyPath: path], other[keyPath: path])
            )
        }
        func speed(_ row: BenchMeasurement, isLessBetter: Bool) -> BenchMeasurement {
            var row = row
            row.goal = row.spread.map { isLessBetter ? .atMost($0.upperBound) : .atLeast($0.lowerBound) }
            return row
        }
        let limit = BenchGoal.atMost(worse)
        let rows = [
            row("CPU of all processes", "ms a task", \.processor, limit),
            row("CPU of the server alone", "ms a task", \.server, limit),
            row("statements", "a task", \.statements, limit),
            row("system calls", "a task", \.calls, limit),
            row("files and folders made", "a task", \.made, limit),
            row("renamed or removed", "a task", \.changed, limit),
            row("idle memory", "MB resident", \.memory, limit),
            speed(row("throughput", "tasks/s", \.throughput, limit), isLessBetter: false),
            speed(row("dispatch, median", "ms", \.dispatch, limit), isLessBetter: true),
        ]
        return rows.filter { !$0.ours.isEmpty && !$0.reference.isEmpty }
    }

    // MARK: A round

    private func measure(_ contender: BenchContender, into figures: inout Figures) async throws {
        let name = "against-\(ObjectID())"
        let (warm, single) = ("\(name)-warm", "\(name)-single")
        let names = [warm, name, single].joined(separator: ",")
        let runner = try BenchRunner.start(contender, at: site, name: names, slots: BenchRounds.slots, count: 0)
        var new = figures
        try await BenchRunner.with([runner], endBySelves: false) { isGoing in
            let pid = runner.process.pid
            // One that has worked is what is compared, and not how it starts.
            try await work(20, name: warm, isGoing)
            let before = try await site.cost(runner: pid)
            try await work(tasks, name: name, isGoing)
            let after = try await site.cost(runner: pid)
            let count = Double(tasks)
            new.throughput.append(count / (try await site.seconds(of: name, count: tasks)))
            new.statements.append(Double(after.statements - before.statements) / count)
            let runnerTime = after.runner - before.runner
            if let last = after.server, let first = before.server {
                new.server.append((last - first) * 1000 / count)
                new.processor.append((last - first + runnerTime) * 1000 / count)
            } else {
                new.processor.append(runnerTime * 1000 / count)
            }
            try await Task.sleep(for: .seconds(3))
            new.memory.append(try BenchCost.residentMegabytes(pid))
            if let stamp = site.stamp {
                let latencies = try await BenchDispatch(site: site, stamp: stamp).latencies(name: single, isGoing)
                if let median = latencies.median { new.dispatch.append(median) }
            }
        }
        for name in [warm, name, single] { _ = try await site.hub.deleteTasks(.named(name)) }
        figures = new
    }

    /// Has the runner do that many tasks, and lets it come to rest.
    private func work(_ count: Int, name: String, _ isGoing: () -> Bool) async throws {
        _ = try await site.hub.createTasks(site.specs(count, name: name, script: "#!/bin/true\n"))
        try await site.waitForEnd(of: name, every: .seconds(1), while: isGoing)
        try await Task.sleep(for: .seconds(1))
    }

    private func trace(_ contender: BenchContender, into figures: inout Figures) async throws {
        let counts = try await BenchTrace(site: site).measure(contender)
        figures.calls.append(counts.calls)
        figures.made.append(counts.made)
        figures.changed.append(counts.changed)
    }
}
