import Chaos
import TensorHub
import TestSupport
import Testing

/// How many trials run at the same time: each has daemons, scripts and perhaps servers of its own, and leases of
/// seconds.
let turns = Turns(2)

/// Lends a trial when there is a turn.
func withTrial(_ options: ChaosTrial.Options, _ body: (ChaosTrial) async throws -> Void) async throws {
    try await turns.one { try await ChaosTrial.with(options, body) }
}

/// Makes one fault while some tasks run and before others do.
///
/// - Returns: What it has done to them, a sentence each; nothing where all became of them that was to.
func damage(by fault: Fault, _ options: ChaosTrial.Options) async throws -> [String] {
    // Of a runner that is started anew, the rest of the lease is for its start, however busy the machine is.
    let leases: [Fault: Double] = [.runnerFreeze: 1.5, .runnerKill: 0.2]
    return try await damage(by: FaultPlan(fault, leases: leases[fault] ?? 0.5), options)
}

/// As for a fault, with all that can be chosen of it.
func damage(by plan: FaultPlan, _ options: ChaosTrial.Options) async throws -> [String] {
    var options = options
    // However the long ones fall, every runner has a slot for short ones.
    options.slots = 3
    var damage: [String] = []
    try await withTrial(options) { trial in
        let lease = options.lease / .seconds(1)
        // Some that are under way all the time, and short ones, so that claims and reports go on.
        var scripts = [RecordingScript](repeating: RecordingScript(seconds: lease * 1.3, steps: 8), count: 2)
        scripts += [RecordingScript](repeating: RecordingScript(seconds: 0.3), count: 24)
        scripts += [RecordingScript(exit: 3), RecordingScript(leavesChild: true)]
        let expectations = try await trial.submit(scripts)
        try await trial.startRunners()
        if await !trial.waitForStarts(4, within: .seconds(30)) { damage.append("the first scripts did not start") }

        let made = await trial.make(plan)
        if !made.isMade { damage.append("not made: \(made)") }
        if await !trial.waitForEnds(within: .seconds(60)) { damage.append("not all tasks ended after \(made)") }
        damage += try await trial.check(expectations).map { "\($0) after \(made)" }
        guard plan.fault.sparesAttempts else { return }
        // The victims of scripts that do harm to themselves have names.
        for task in try await trial.hub.findTasks() where task.name == nil && task.status == .finished {
            if task.attempt == 1 { continue }
            let causes = task.history.compactMap(\.cause).joined(separator: ", ")
            damage.append("\(made) cost an attempt: \(causes)")
        }
    }
    return damage
}
