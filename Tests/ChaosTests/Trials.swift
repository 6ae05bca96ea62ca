import Chaos
import TestSupport
import Testing

/// How many trials run at the same time: each has daemons, scripts and perhaps servers of its own, and leases of seconds.
let turns = Turns(2)

/// Lends a trial when there is a turn.
func withTrial(_ options: ChaosTrial.Options, _ body: (ChaosTrial) async throws -> Void) async throws {
    try await turns.one { try await ChaosTrial.with(options, body) }
}

/// Records every violation as an issue of its own.
func expectNone(_ violations: [HistoryChecker.Violation], _ circumstances: String = "") {
    for violation in violations { Issue.record("\(violation) \(circumstances)") }
}
