import Chaos
import TestSupport

/// Rounds of tasks under load, on one node behind proxies and on three nodes in turn.
struct ChaosRounds {
    let runners: Int
    let tasks: Int
    let lease: Duration
    let isRoot: Bool
    let logs: String?

    /// For faults, in one round; most tasks are done before.
    private static let roundTime = Duration.seconds(120)
    /// Within which a limit or a cancel must take effect: while its runner, its network and its database are disturbed
    /// in turn.
    private static let promptness = Duration.seconds(60)

    /// Rounds of random faults until the time is over or something is wrong.
    func mix(_ faults: [Fault], seed: UInt64, for time: Duration) async throws -> [HistoryChecker.Violation] {
        put("seed \(seed)")
        var generator = SplitMix64(seed: seed)
        let end = ContinuousClock.now + time
        let kinds = Self.kinds.filter { kind in faults.contains { $0.deployments.contains(kind) } }
        var tally = Tally()
        while ContinuousClock.now < end || tally.rounds == 0 {
            let own = SplitMix64(seed: generator.next())
            let outcome = try await round(faults, on: kinds[tally.rounds % kinds.count], own, &tally)
            if !outcome.violations.isEmpty { return outcome.violations }
        }
        tally.tell()
        put("seed \(seed)")
        return []
    }

    /// A round for each fault alone.
    func each(_ faults: [Fault], seed: UInt64) async throws -> [HistoryChecker.Violation] {
        put("seed \(seed)")
        var generator = SplitMix64(seed: seed)
        var violations: [HistoryChecker.Violation] = []
        var tally = Tally()
        for fault in faults {
            guard let kind = Self.kinds.first(where: { fault.deployments.contains($0) }) else { continue }
            put("\(fault.rawValue) alone")
            violations += try await round([fault], on: kind, SplitMix64(seed: generator.next()), &tally).violations
        }
        tally.tell()
        return violations
    }

    private static let kinds: [Deployment.Kind] = [.single, .replicaSet]

    private func round(
        _ faults: [Fault],
        on kind: Deployment.Kind,
        _ generator: SplitMix64,
        _ tally: inout Tally
    ) async throws -> FaultMix.Outcome {
        var options = ChaosTrial.Options()
        options.deployment = kind
        options.runners = runners
        options.slots = 4
        options.lease = lease
        options.isRoot = isRoot
        options.promptness = Self.promptness
        options.hasSmallDisk = SmallDisk.obstacle == nil
        options.hasWrongClock = await WrongClock.obstacle() == nil
        options.logs = logs
        let start = ContinuousClock.now
        put("round \(tally.rounds + 1): \(tasks) tasks, \(runners) runners, \(kind)")
        var generator = generator
        var skipped: [String] = []
        let outcome = try await ChaosTrial.with(options) { trial in
            skipped = trial.faults.skipped
            let mix = FaultMix(trial, of: faults, say: say)
            return try await mix.run(tasks: tasks, for: Self.roundTime, with: &generator)
        }
        tally.add(outcome, skipped)
        put(
            "round \(tally.rounds): \(outcome.attempts) attempts of \(tasks) tasks, "
                + "\(outcome.faults.values.reduce(0, +)) faults, \(outcome.violations.count) violations, "
                + "\((ContinuousClock.now - start).rounded) s"
        )
        return outcome
    }
}

/// What all rounds came to.
private struct Tally {
    var rounds = 0
    var tasks = 0
    var attempts = 0
    var faults: [Fault: Int] = [:]
    var skipped: Set<String> = []

    mutating func add(_ outcome: FaultMix.Outcome, _ skipped: [String]) {
        rounds += 1
        tasks += outcome.tasks
        attempts += outcome.attempts
        faults.merge(outcome.faults) { $0 + $1 }
        self.skipped.formUnion(skipped)
    }

    func tell() {
        put("\(rounds) rounds, \(tasks) tasks, \(attempts) attempts; faults:")
        for (fault, count) in faults.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            put("  \(fault.rawValue) \(count)")
        }
        for reason in skipped.sorted() { put("SKIPPED: \(reason)") }
    }
}
