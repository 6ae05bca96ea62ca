import TensorHub

/// A host dies with everything on it: how long until its task runs elsewhere?
package enum HostLossTrial {
    package struct Outcome: Sendable {
        /// From kill -9 to the first line of the script on the other host.
        package var time: Duration
        package var violations: [HistoryChecker.Violation]
    }

    /// - Returns: What was measured; a time beyond two leases is among the violations.
    package static func run(
        lease: Duration,
        logs: String? = nil,
        say: @escaping @Sendable (String) -> Void
    ) async throws -> Outcome {
        var options = ChaosTrial.Options()
        options.slots = 1
        options.lease = lease
        options.logs = logs
        return try await ChaosTrial.with(options) { trial in
            let expectations = try await trial.submit([RecordingScript(seconds: 20)])
            try await trial.startRunners()
            guard await trial.waitForStarts(1, within: .seconds(60)),
                let host = trial.runners.first(where: { !$0.attempts.isEmpty })
            else { throw ChaosError("the script did not start") }
            say("the task runs on \(host.options.name), with a lease of \(lease); killing everything there")
            let clock = ContinuousClock()
            let start = clock.now
            await host.loseHost()
            let isBack = await trial.waitForStarts(2, within: lease * 3)
            let time = clock.now - start
            _ = await trial.waitForEnds(within: .seconds(60))
            var violations = try await trial.check(expectations)
            if !isBack || time >= lease * 2 {
                let words = isBack ? "ran elsewhere after \(time)" : "did not run elsewhere within \(lease * 3)"
                violations.append(.init(sentence: "the task \(words), where two leases are \(lease * 2)"))
            }
            if !violations.isEmpty { trial.keepLogs() }
            return Outcome(time: time, violations: violations)
        }
    }
}
