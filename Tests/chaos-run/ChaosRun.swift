import ArgumentParser
import Chaos
import Glibc

/// What `scripts/chaos` runs.
@main
struct ChaosRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scripts/chaos",
        abstract: "Does harm to runners, scripts, networks and databases, and proves that nothing is lost.",
        discussion: "Ends with status 0 when all is clean, 1 when something was lost or done twice. See docs/chaos.md."
    )

    @Option(help: "How long the mix of faults goes on.")
    var minutes: Double?

    @Option(help: "What the faults are drawn from; printed, so that a run can be repeated.")
    var seed: UInt64?

    @Option(help: "Runner processes of the mix.")
    var runners = 4

    @Option(help: "Tasks of a round of the mix.")
    var tasks = 2000

    @Option(help: "The lease of the runners in seconds: 3 in the mix, else 60.")
    var lease: Double?

    @Option(help: "Instead of the mix: MongoDB is away for so many seconds in mid-training.")
    var outage: Double?

    @Flag(help: "Instead of the mix: how long a task of a host that dies takes to run elsewhere.")
    var hostLoss = false

    @Option(help: "A folder that gets the logs when something is wrong.")
    var logs: String?

    func run() async throws {
        let violations: [HistoryChecker.Violation]
        let longLease = Duration.seconds(lease ?? 60)
        if let outage {
            violations = try await OutageTrial.run(outage: .seconds(outage), lease: longLease, logs: logs, say: say)
        } else if hostLoss {
            let outcome = try await HostLossTrial.run(lease: longLease, logs: logs, say: say)
            say("from kill -9 of the host to the task running elsewhere: \(outcome.time.rounded) s")
            violations = outcome.violations
        } else {
            violations = try await mix()
        }
        for violation in violations.prefix(100) { put("VIOLATION: \(violation)") }
        if violations.isEmpty { return put("clean") }
        put("\(violations.count) violations" + (logs.map { "; the logs are in \($0)" } ?? ""))
        throw ExitCode(1)
    }

    /// Rounds in turn on one node behind proxies and on three nodes, until the time is over or something is wrong.
    private func mix() async throws -> [HistoryChecker.Violation] {
        let seed = seed ?? UInt64.random(in: 1...999_999)
        put("seed \(seed)")
        var generator = SplitMix64(seed: seed)
        let end = ContinuousClock.now + .seconds((minutes ?? 10) * 60)
        var total = FaultMix.Outcome()
        var round = 0
        var skipped: Set<String> = []
        while ContinuousClock.now < end || round == 0 {
            round += 1
            var options = ChaosTrial.Options()
            options.deployment = round % 2 == 1 ? .single : .replicaSet
            options.runners = runners
            options.slots = 4
            options.lease = .seconds(lease ?? 3)
            options.hasSmallDisk = SmallDisk.obstacle == nil
            options.hasWrongClock = await WrongClock.obstacle() == nil
            options.logs = logs
            var own = SplitMix64(seed: generator.next())
            let start = ContinuousClock.now
            put("round \(round): \(tasks) tasks, \(runners) runners, \(options.deployment)")
            let outcome = try await ChaosTrial.with(options) { trial in
                skipped.formUnion(trial.faults.skipped)
                return try await FaultMix(trial, say: say).run(tasks: tasks, for: .seconds(150), with: &own)
            }
            let faults = outcome.faults.values.reduce(0, +)
            put(
                "round \(round): \(outcome.attempts) attempts of \(tasks) tasks, \(faults) faults, "
                    + "\(outcome.violations.count) violations, \((ContinuousClock.now - start).rounded) s"
            )
            total.tasks += outcome.tasks
            total.attempts += outcome.attempts
            total.faults.merge(outcome.faults) { $0 + $1 }
            if !outcome.violations.isEmpty { return outcome.violations }
        }
        put("\(round) rounds, \(total.tasks) tasks, \(total.attempts) attempts, faults:")
        for (fault, count) in total.faults.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            put("  \(fault.rawValue) \(count)")
        }
        for reason in skipped.sorted() { put("SKIPPED: \(reason)") }
        put("seed \(seed)")
        return []
    }
}

/// A line on standard output, at once.
private func put(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = write(1, bytes, bytes.count)
}

/// One line with the time of day.
private let say: @Sendable (String) -> Void = { line in
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
    put("\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) \(line)")
}

extension Duration {
    /// Seconds with one decimal.
    fileprivate var rounded: Double { (self / .seconds(1) * 10).rounded() / 10 }
}
