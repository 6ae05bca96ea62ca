import ArgumentParser
import BSON
import Console
import Settings
import TensorHub

/// Which runners a verb is about: those that are named, or all of them where that is said.
struct RunnerTargets: ParsableArguments {
    @Argument(help: "Names or ids of runners, or beginnings of ids.")
    var runners: [String] = []

    @Flag(help: "Every runner of the project.")
    var all = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if runners.isEmpty && !all {
            throw ValidationError("no runner is named; give names or ids as `tensorhub runner ls` shows, or --all")
        }
        if !runners.isEmpty && all {
            throw ValidationError("--all means every runner; leave it out, or the names")
        }
    }

    /// Asks the runners for something, writes their ids, and says how many they are.
    ///
    /// - Parameters:
    ///   - drain: Whether to wait until they have done it.
    ///   - body: The one statement.
    func ask(
        for request: RunnerControl.Request,
        _ drain: DrainOptions? = nil,
        _ body: (Hub, RunnerSelection) async throws -> Int
    ) async throws {
        let hub = try await connection.hub()
        let targets = try resolve(try await hub.findRunners(), hub)
        // By id also for --all, so that the ids written are those that were asked.
        let count = try await body(hub, .ids(targets.map(\.id)))
        if !output.json { StandardOutput.receipt(targets.map { "\($0.id)\n" }.joined()) }
        if count == 0 { throw CommandFailure(ExitStatus.nothingMatched, "the runners have stopped meanwhile") }
        StandardError.line("\(counted(count, "runner")) asked to \(request.rawValue)")
        let result = await Result {
            if let drain, drain.wait { try await drain.waitUntilDone(hub, targets, request) }
        }
        if output.json {
            let ids = Set(targets.map(\.id))
            let now = try await hub.findRunners().filter { ids.contains($0.id) }
            StandardOutput.receipt(now.map(\.shown).jsonLines)
        }
        try result.get()
    }

    /// - Throws: A failure of status 3 where a word means no runner, or one that has stopped: nothing is changed then.
    private func resolve(_ known: [RunnerRecord], _ hub: Hub) throws -> [RunnerRecord] {
        if all {
            let alive = known.filter { $0.state != .stopped }
            if alive.isEmpty {
                throw CommandFailure(ExitStatus.nothingMatched, "no runner of project \(hub.project) is known")
            }
            return alive
        }
        var targets: [RunnerRecord] = []
        var seen: Set<ObjectID> = []
        for word in runners {
            let found = try RunnerRecord.matching(word, among: known)
            let alive = found.filter { $0.state != .stopped }
            if alive.isEmpty {
                let word = TerminalText.oneLine(word)
                throw CommandFailure(
                    ExitStatus.nothingMatched,
                    found.isEmpty
                        ? "no runner '\(word)' in project \(hub.project); `tensorhub runner ls` shows those that are known"
                        : "runner '\(word)' has stopped; nothing can be asked of it"
                )
            }
            for runner in alive where seen.insert(runner.id).inserted { targets.append(runner) }
        }
        return targets
    }
}

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

    func duration() throws -> Duration? { try Submit.duration(deadline, "--deadline") }

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
                throw CommandFailure(
                    ExitStatus.failure,
                    "runner \(name) is lost; other runners rescue its tasks when its leases end"
                )
            }
            if let control = runner.control, control.request != request {
                throw CommandFailure(
                    ExitStatus.failure,
                    "\(control.by ?? "somebody") asked runner \(name) to \(control.request.rawValue) meanwhile"
                )
            }
            unfinished.insert(runner.id)
        }
        return unfinished
    }
}
