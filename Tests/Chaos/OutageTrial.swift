import TensorHub

/// MongoDB goes away in mid-training and comes back: no script notices, nothing is missing afterwards.
package enum OutageTrial {
    /// - Returns: What was wrong; empty when every task ended as the attempt that it began as.
    package static func run(
        outage: Duration,
        lease: Duration,
        logs: String? = nil,
        say: @escaping @Sendable (String) -> Void
    ) async throws -> [HistoryChecker.Violation] {
        var options = ChaosTrial.Options()
        options.slots = 4
        options.lease = lease
        options.logs = logs
        return try await ChaosTrial.with(options) { trial in
            let whole = (outage + .seconds(15)) / .seconds(1)
            // Some end while nobody can be told, the others run on.
            let scripts = (0..<8).map { index in
                let seconds = index % 4 == 0 ? 5 + outage / .seconds(2) : whole
                return RecordingScript(seconds: seconds.rounded(), steps: Int(seconds))
            }
            let expectations = try await trial.submit(scripts)
            try await trial.startRunners()
            guard await trial.waitForStarts(scripts.count, within: .seconds(60)) else {
                throw ChaosError("the scripts did not start")
            }
            say("\(scripts.count) scripts run on \(trial.runners.count) runners; lease \(lease)")
            let pids = Set(trial.runners.flatMap(\.attempts).filter { $0.role == .supervisor }.map(\.pid))
            var plan = FaultPlan(.databaseKill)
            plan.leases = outage / lease
            let made = await trial.make(plan)
            say("\(made)")
            let alive = Set(trial.runners.flatMap(\.attempts).filter { $0.role == .supervisor }.map(\.pid))
            say("\(alive.intersection(pids).count) of them run on")
            _ = await trial.waitForEnds(within: .seconds(120))
            var violations = try await trial.check(expectations)
            for task in try await trial.hub.findTasks() where task.attempt != 1 {
                let causes = task.history.compactMap(\.cause).joined(separator: ", ")
                violations.append(
                    .init(task: task.id, sentence: "took \(task.attempt) attempts (\(causes)): the outage cost it work")
                )
            }
            return violations
        }
    }
}
