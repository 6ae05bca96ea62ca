import Synchronization
package import TensorHub
package import TestSupport

/// Tasks under load, and faults at random, as a seed has it.
package struct FaultMix {
    package struct Outcome: Sendable {
        package var tasks = 0
        package var attempts = 0
        package var faults: [Fault: Int] = [:]
        package var violations: [HistoryChecker.Violation] = []

        package init(tasks: Int = 0) { self.tasks = tasks }
    }

    private let trial: ChaosTrial
    private let faults: [Fault]
    private let say: @Sendable (String) -> Void

    /// - Parameters:
    ///   - faults: These alone; `nil` for all that the trial can make.
    ///   - say: Gets a line for each fault.
    package init(_ trial: ChaosTrial, of faults: [Fault]? = nil, say: @escaping @Sendable (String) -> Void) {
        self.trial = trial
        self.faults = trial.faults.possible.filter { faults?.contains($0) ?? true }
        self.say = say
    }

    /// Scripts of all kinds, most of them short.
    package static func scripts(_ count: Int, with generator: inout SplitMix64) -> [RecordingScript] {
        (0..<count).map { _ in
            var script = RecordingScript()
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<70: break
            case 70..<88: script.seconds = seconds(in: 0.1...1, with: &generator)
            case 88..<94: script.seconds = seconds(in: 2...5, with: &generator)
            case 94..<96: script.flood = Int.random(in: 300_000...3_000_000, using: &generator)
            case 96..<98: script.leavesChild = true
            default: script.exit = 3
            }
            return script
        }
    }

    private static func seconds(in range: ClosedRange<Double>, with generator: inout SplitMix64) -> Double {
        (Double.random(in: range, using: &generator) * 100).rounded() / 100
    }

    /// One round: all tasks are stored, the runners started, and faults made until all tasks have ended or the time for
    /// them is over; then everything may come to its end, and is checked.
    ///
    /// - Parameters:
    ///   - time: For faults.
    ///   - limit: For the tasks after the last fault.
    package func run(
        tasks: Int,
        for time: Duration,
        limit: Duration = .seconds(180),
        with generator: inout SplitMix64
    ) async throws -> Outcome {
        var outcome = Outcome(tasks: tasks)
        let expectations = try await trial.submit(Self.scripts(tasks, with: &generator))
        try await trial.startRunners()
        outcome.faults = await makeFaults(until: .now + time, with: &generator)
        if await !trial.waitForEnds(within: limit) { say("not all tasks ended within \(limit) after the last fault") }
        outcome.violations = try await trial.check(expectations)
        let ended = (try? await trial.hub.findTasks()) ?? []
        outcome.attempts = ended.reduce(0) { $0 + $1.attempt }
        if faults.allSatisfy(\.sparesNeighbours) { outcome.violations += Self.disturbances(ended, expectations) }
        return outcome
    }

    /// Attempts that tasks have lost by what scripts of others did to themselves.
    package static func disturbances(
        _ tasks: [TaskRecord],
        _ expectations: [HistoryChecker.Expectation]
    ) -> [HistoryChecker.Violation] {
        let innocent = Set(expectations.filter { $0.script.exit == 0 }.map(\.task))
        return tasks.compactMap { task in
            guard let id = task.id, innocent.contains(id), task.attempt > 1 else { return nil }
            let causes = task.history.compactMap(\.cause).joined(separator: ", ")
            return .init(
                task: id,
                sentence: "took \(task.attempt) attempts (\(causes)) beside scripts that harm themselves"
            )
        }
    }

    private func makeFaults(
        until end: ContinuousClock.Instant,
        with generator: inout SplitMix64
    ) async -> [Fault: Int] {
        let busy = BusyTargets()
        var plans: [(FaultPlan, pause: Duration)] = []
        if faults.isEmpty { return [:] }
        // Drawn before anything is made: how long a fault takes must not change what follows.
        for _ in 0..<1000 {
            let plan = FaultPlan(of: faults, runners: trial.runners.count, with: &generator)
            plans.append((plan, .milliseconds(Int.random(in: 200...1500, using: &generator))))
        }
        return await withTaskGroup(of: ChaosTrial.Made.self) { group in
            for (plan, pause) in plans {
                let target = Self.target(plan)
                let isFree = await eventually(within: end - .now) { busy.take(target) }
                let isGoing = (try? await trial.hub.hasUnfinishedTasks()) ?? true
                guard isFree, isGoing, ContinuousClock.now < end else { break }
                group.addTask { [trial, say] in
                    let result = await trial.make(plan)
                    busy.giveBack(target)
                    say("\(result)")
                    return result
                }
                await endure(pause)
            }
            var made: [Fault: Int] = [:]
            for await result in group where result.isMade { made[result.plan.fault, default: 0] += 1 }
            return made
        }
    }

    /// What must not have two faults at once.
    private static func target(_ plan: FaultPlan) -> Int {
        if plan.fault.isOfDatabase { return -1 }
        // A cancel concerns no runner in particular.
        if plan.fault == .cancel { return -2 }
        return plan.fault == .diskFull ? 0 : plan.runner
    }
}

/// What a fault is being made to; two at once would undo each other.
private final class BusyTargets: Sendable {
    private let targets = Mutex<Set<Int>>([])

    func take(_ target: Int) -> Bool { targets.withLock { $0.insert(target).inserted } }

    func giveBack(_ target: Int) { targets.withLock { _ = $0.remove(target) } }
}
