import ArgumentParser
import BSON
import Console
import TensorHub

/// When a drain or a stop is over, and waiting for it.
struct DrainOptions: ParsableArguments {
    @Option(
        help:
            "Until when tasks may go on: 90s, 10m, 2h from now. Then their scripts are stopped and they go back to pending."
    )
    var deadline: String?

    @Flag(help: "Wait until nothing runs there any more.")
    var wait = false

    /// Between two looks.
    private static let poll: Duration = .milliseconds(300)

    func duration() throws -> Duration? { try WrittenTime.duration(deadline, "--deadline") }

    /// Returns once every runner has done what was asked.
    ///
    /// - Throws: A failure of status 1 where one was lost meanwhile or somebody asked for something else.
    func waitUntilDone(_ hub: Hub, _ targets: [RunnerRecord], _ request: RunnerControl.Request) async throws {
        var waiting = Set(targets.map(\.id))
        var outage = Outage()
        while true {
            do {
                let known = try await hub.findRunners()
                waiting = try Self.unfinished(waiting, known, request)
                if waiting.isEmpty { return }
                outage.end()
            } catch  where CommandFailure.isTransient(error) {
                outage.begin(error)
            }
            try await Task.sleep(for: outage.isOn ? Outage.pause : Self.poll)
        }
    }

    static func unfinished(
        _ waiting: Set<ObjectID>,
        _ known: [RunnerRecord],
        _ request: RunnerControl.Request
    ) throws(CommandFailure) -> Set<ObjectID> {
        var unfinished: Set<ObjectID> = []
        // The document of one that has stopped goes away when its successor starts.
        for runner in known where waiting.contains(runner.id) && runner.state != .stopped {
            if request == .drain && runner.state == .drained { continue }
            let name = runner.name ?? "\(runner.id)"
            if runner.state == .lost {
                throw CommandFailure.failure(
                    "runner \(name) is lost; other runners rescue its tasks when its leases end"
                )
            }
            if let control = runner.control, control.request != request {
                throw CommandFailure.failure(
                    "\(control.by ?? "somebody") asked runner \(name) to \(control.request.rawValue) meanwhile"
                )
            }
            unfinished.insert(runner.id)
        }
        return unfinished
    }
}
