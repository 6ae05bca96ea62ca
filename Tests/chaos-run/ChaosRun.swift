import ArgumentParser
import Chaos
import Glibc
import TestSupport

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

    @Option(name: .customLong("fault"), help: "Only this fault, as it is named in the lines of a run; may be repeated.")
    var faults: [String] = []

    @Flag(help: "A round for each fault alone, instead of the mix.")
    var each = false

    @Option(help: "Instead of the mix: MongoDB is away for so many seconds in mid-training.")
    var outage: Double?

    @Flag(help: "Instead of the mix: how long a task of a host that dies takes to run elsewhere.")
    var hostLoss = false

    @Flag(
        help: "Daemons and scripts run as a user that is not root, as in our unit; so they do unless --root is given."
    )
    var unprivileged = false

    @Flag(help: "Daemons and scripts stay root where this is root: no mode stops them.")
    var root = false

    @Option(help: "A folder that gets the logs when something is wrong.")
    var logs: String?

    private var chosen: [Fault] { faults.isEmpty ? Fault.allCases : faults.compactMap(Fault.init) }

    func validate() throws {
        for name in faults where Fault(rawValue: name) == nil {
            let names = Fault.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("there is no fault '\(name)'; there are \(names)")
        }
        if root && unprivileged { throw ValidationError("--root and --unprivileged exclude each other") }
    }

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
            let rounds = ChaosRounds(
                runners: runners,
                tasks: tasks,
                lease: .seconds(lease ?? 3),
                isRoot: root,
                logs: logs
            )
            put(
                Unprivileged.user == nil
                    ? "daemons run as this user" : "daemons run as \(root ? "root" : "a user apart")"
            )
            let seed = seed ?? UInt64.random(in: 1...999_999)
            violations =
                each
                ? try await rounds.each(chosen, seed: seed)
                : try await rounds.mix(chosen, seed: seed, for: .seconds((minutes ?? 10) * 60))
        }
        for violation in violations.prefix(100) { put("VIOLATION: \(violation)") }
        if violations.isEmpty { return put("clean") }
        put("\(violations.count) violations" + (logs.map { "; the logs are in \($0)" } ?? ""))
        throw ExitCode(1)
    }
}

/// A line on standard output, at once.
func put(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = write(1, bytes, bytes.count)
}

/// One line with the time of day.
let say: @Sendable (String) -> Void = { line in
    var now = time(nil)
    var parts = tm()
    localtime_r(&now, &parts)
    func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
    put("\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) \(line)")
}

extension Duration {
    /// Seconds with one decimal.
    var rounded: Double { (self / .seconds(1) * 10).rounded() / 10 }
}
