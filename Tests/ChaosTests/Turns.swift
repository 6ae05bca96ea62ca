import Chaos
import Testing

/// How many trials run at the same time: each has daemons, scripts and perhaps servers of its own, and leases of seconds.
actor Turns {
    private var free = 4
    private var waiting: [CheckedContinuation<Void, Never>] = []

    static let shared = Turns()

    func take() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func giveBack() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

/// Lends a trial when there is a turn.
func withTrial(_ options: ChaosTrial.Options, _ body: (ChaosTrial) async throws -> Void) async throws {
    await Turns.shared.take()
    let result: Result<Void, any Error>
    do { result = .success(try await ChaosTrial.with(options, body)) } catch { result = .failure(error) }
    await Turns.shared.giveBack()
    try result.get()
}

/// Records every violation as an issue of its own.
func expectNone(_ violations: [HistoryChecker.Violation], _ circumstances: String = "") {
    for violation in violations { Issue.record("\(violation) \(circumstances)") }
}
