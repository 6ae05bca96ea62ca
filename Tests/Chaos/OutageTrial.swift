import TensorHub

/// MongoDB goes away in mid-training and comes back: no script notices, also none that logs, and nothing is missing
/// afterwards.
package enum OutageTrial {
    /// - Returns: What was wrong; empty when every task ended as the attempt that it began as.
    package static func run(
        outage: Duration,
        lease: Duration,
        logs: String? = nil,
        say: @escaping @Sendable (String) -> Void
    ) async throws -> [HistoryChecker.Violation] {
        var options = ChaosTrial.Options()
        // For eight that work and one that reports, on two runners.
        options.slots = 5
        options.lease = lease
        options.logs = logs
        return try await ChaosTrial.with(options) { trial in
            let whole = (outage + .seconds(15)) / .seconds(1)
            // Some end while nobody can be told, the others run on.
            let scripts = (0..<8).map { index in
                let seconds = index % 4 == 0 ? 1 + outage / .seconds(2) : whole
                return RecordingScript(seconds: seconds.rounded(), steps: Int(seconds))
            }
            let expectations = try await trial.submit(scripts)
            let reporting = ReportingScript(outage: outage)
            let reporter = try await trial.hub.createTask(reporting.spec)
            try await trial.startRunners()
            guard await trial.waitForStarts(scripts.count, within: .seconds(60)) else {
                throw ChaosError("the scripts did not start")
            }
            say("\(scripts.count) scripts run on \(trial.runners.count) runners; lease \(lease)")
            await trial.deployment.kill()
            say("MongoDB is gone")
            await endure(outage)
            let running = trial.runners.flatMap(\.attempts).count { $0.role == .script }
            // And the one that reports.
            let mustRun = scripts.count { $0.seconds >= whole.rounded() } + 1
            try await trial.deployment.restart()
            say("MongoDB is back after \(outage); \(running) scripts ran on, the others have ended meanwhile")
            _ = await trial.waitForEnds(within: .seconds(120))
            var violations = try await reporting.check(reporter, trial.hub, say: say)
            violations += try await trial.check(expectations)
            if running != mustRun {
                let sentence = "\(running) scripts ran when MongoDB came back, instead of \(mustRun)"
                violations.append(.init(sentence: sentence))
            }
            for task in try await trial.hub.findTasks() where task.attempt != 1 {
                let causes = task.history.compactMap(\.cause).joined(separator: ", ")
                violations.append(
                    .init(task: task.id, sentence: "took \(task.attempt) attempts (\(causes)): the outage cost it work")
                )
            }
            if !violations.isEmpty { trial.keepLogs() }
            return violations
        }
    }
}
