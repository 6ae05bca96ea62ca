import ArgumentParser
import BSON
import Console
import Settings
import TensorHub

/// Which runners a verb is about: those that are named, or all of them where that is said.
struct RunnerTargets: ParsableArguments {
    @Argument(help: "Names or ids of runners, or beginnings of ids.", completion: Completion.runners)
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
    /// - Parameter drain: Until when they have time, and whether to wait until they have done it.
    func ask(for request: RunnerControl.Request, _ drain: DrainOptions? = nil) async throws {
        let deadline = try drain?.duration()
        let hub = try await connection.hub()
        let targets = try resolve(try await hub.findRunners(), hub)
        // By id also for --all, so that the ids written are those that were asked.
        let count = try await hub.request(
            request,
            of: .ids(targets.map(\.id)),
            deadline: deadline,
            by: CurrentUser.name
        )
        if !output.json { StandardOutput.receipt(targets.map { "\($0.id)\n" }.joined()) }
        if count == 0 { throw CommandFailure.nothingMatched("the runners have stopped meanwhile") }
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
                throw CommandFailure.nothingMatched("no runner of project \(hub.project) is known")
            }
            return alive
        }
        var targets: [RunnerRecord] = []
        var seen: Set<ObjectID> = []
        for word in runners {
            let found = try RunnerRecord.matching(word, among: known)
            let alive = found.filter { $0.state != .stopped }
            if alive.isEmpty {
                let text = TerminalText.oneLine(word)
                let near = NearNames.question(word, among: known.compactMap(\.name))
                let hint = near.isEmpty ? "; `tensorhub runner ls` shows those that are known" : near
                throw CommandFailure.nothingMatched(
                    found.isEmpty
                        ? "no runner '\(text)' in project \(hub.project)\(hint)"
                        : "runner '\(text)' has stopped; nothing can be asked of it"
                )
            }
            for runner in alive where seen.insert(runner.id).inserted { targets.append(runner) }
        }
        return targets
    }
}
