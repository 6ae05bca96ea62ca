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

/// Records every violation as an issue of its own.
func expectNone(_ violations: [HistoryChecker.Violation], _ circumstances: String = "") {
    for violation in violations { Issue.record("\(violation) \(circumstances)") }
}

/// Makes one fault while some tasks run and before others do, and checks what became of them.
func survive(_ fault: Fault, _ options: ChaosTrial.Options) async throws {
    // Of a runner that is started anew, the rest of the lease is for its start, however busy the machine is.
    let leases: [Fault: Double] = [.runnerFreeze: 1.5, .runnerKill: 0.2]
    try await survive(FaultPlan(fault, leases: leases[fault] ?? 0.5), options)
}

/// As for a fault, with all that can be chosen of it.
func survive(_ plan: FaultPlan, _ options: ChaosTrial.Options) async throws {
    var options = options
    // However the long ones fall, every runner has a slot for short ones.
    options.slots = 3
    try await withTrial(options) { trial in
        let lease = options.lease / .seconds(1)
        // Some that are under way all the time, and short ones, so that claims and reports go on.
        var scripts = [RecordingScript](repeating: RecordingScript(seconds: lease * 1.3, steps: 8), count: 2)
        scripts += [RecordingScript](repeating: RecordingScript(seconds: 0.3), count: 24)
        scripts += [RecordingScript(exit: 3), RecordingScript(leavesChild: true)]
        let expectations = try await trial.submit(scripts)
        try await trial.startRunners()
        #expect(await trial.waitForStarts(4, within: .seconds(30)))

        let made = await trial.make(plan)
        #expect(made.isMade, "\(made)")
        #expect(await trial.waitForEnds(within: .seconds(60)), "not all tasks ended after \(made)")
        expectNone(try await trial.check(expectations), "after \(made)")
        guard plan.fault.sparesAttempts else { return }
        // The victims of scripts that do harm to themselves have names.
        for task in try await trial.hub.findTasks() where task.name == nil && task.status == .finished {
            if task.attempt == 1 { continue }
            let causes = task.history.compactMap(\.cause).joined(separator: ", ")
            Issue.record("\(made) cost an attempt: \(causes)")
        }
    }
}
