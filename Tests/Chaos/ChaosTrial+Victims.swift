import BSON
import Glibc
import MongoDriver
import Synchronization
import TensorHub
import TestSupport

/// Tasks whose scripts do harm to their own attempts. They go before all others, on one runner, and come on top of the
/// trial's own tasks: everything that those must not notice.
extension ChaosTrial {
    private static let victimPriority: Int32 = 1000
    /// For a script that is to begin on a busy runner, and for MongoDB to come back from whatever is being done to it.
    static let patience = Duration.seconds(60)

    func letScriptsHarm(_ plan: FaultPlan, _ runner: RunnerProcess, _ time: Duration) async throws -> String? {
        let scripts: [RecordingScript]
        switch plan.fault {
        case .modes, .modesKill:
            // Some are alive when the next daemon comes, and some have ended.
            let seconds = plan.fault == .modes || plan.choice % 2 == 0 ? 1.0 : 2 + time / .seconds(1)
            scripts = plan.pick(Harm.modes).map { RecordingScript(seconds: seconds, steps: 4, harm: $0) }
        case .supervisorSignals:
            scripts = plan.pick(Harm.signals).map { RecordingScript(seconds: 0.5, steps: 2, harm: $0) }
        case .scriptQueries:
            // For longer than it takes to give up a runner that is not heard.
            scripts = [RecordingScript(harm: .queries(seconds: options.lease * 2.5 / .seconds(1)))]
        default:
            scripts = plan.pick(Self.stopped)
        }
        let ids = try await submitVictims(scripts, on: runner)
        let victims = Dictionary(uniqueKeysWithValues: zip(ids, scripts))
        let hit = try await waitForVictims(victims) { id, script in
            if plan.fault == .supervisorStop, script.isForCancel { try await cancel(id) }
        }
        if hit == 0 { return nil }
        var words = scripts.map { "\($0.harm?.name ?? "")\(plan.fault == .supervisorStop ? $0.ending : "")" }
            .joined(separator: "; ")
        if hit < ids.count { words += "; only \(hit) of them got that far" }
        if plan.fault == .modesKill {
            await runner.kill()
            await endure(time)
            try await runner.start()
            words += "; the daemon was away for \((time / .milliseconds(1)).rounded() / 1000) s"
        }
        return words
    }

    /// A supervisor that is stopped once or again and again, and a script that reaches its limit, is cancelled, or
    /// ends.
    private static let stopped: [RecordingScript] = [Harm.stopOnce, .stopAlways].flatMap { harm in
        [
            RecordingScript(seconds: 600, harm: harm, timeout: .seconds(2)), RecordingScript(seconds: 600, harm: harm),
            RecordingScript(seconds: 1, steps: 2, harm: harm),
        ]
    }

    /// Stores the tasks for that runner alone, and lets it have them.
    private func submitVictims(_ scripts: [RecordingScript], on runner: RunnerProcess) async throws -> [ObjectID] {
        let others = runners.map(\.options.name).filter { $0 != runner.options.name }
        var ids: [ObjectID] = []
        for script in scripts {
            let name = "victim-\(UInt64.random(in: .min ... .max))"
            victims.withLock { $0[name] = script }
            var spec = script.spec(record: record)
            spec.name = name
            spec.priority = Self.victimPriority
            spec.hold = true
            // A reply may be lost: the name tells whether it is there.
            let id = try await patiently {
                if let id = try await hub.findTasks(.named(name)).first?.id { return id }
                return try await hub.createTask(spec)
            }
            let update: BSONDocument = ["$set": ["hub.avoid": .array(others.map(BSONValue.string))]]
            try await patiently { _ = try await hub.tasks.updateOne(["_id": .objectID(id)], .document(update)) }
            harmed.withLock { $0[id] = script }
            ids.append(id)
        }
        try await patiently { _ = try await hub.releaseTasks(.ids(ids)) }
        return ids
    }

    /// Waits until each has done its harm, or as much of it as it survived, and says so at once for each.
    ///
    /// - Returns: How many have, in time.
    private func waitForVictims(
        _ victims: [ObjectID: RecordingScript],
        _ hasHarmed: (ObjectID, RecordingScript) async throws -> Void
    ) async throws -> Int {
        var waiting = victims
        _ = try await eventually(within: Self.patience, every: .milliseconds(50)) {
            let text = String(decoding: (try? readFile(record)) ?? [], as: UTF8.self)
            let lines = Set(
                text.split(separator: "\n").map { $0.split(separator: " ").prefix(3).joined(separator: " ") }
            )
            for (id, script) in waiting where lines.contains("\(Self.lastEvent(of: script)) \(id) 1") {
                waiting[id] = nil
                try await hasHarmed(id, script)
            }
            return waiting.isEmpty || Task.isCancelled
        }
        return victims.count - waiting.count
    }

    /// Who signals its supervisor need not live to tell it.
    private static func lastEvent(of script: RecordingScript) -> ScriptRecord.Event {
        Harm.signals.contains { $0.name == script.harm?.name } ? .start : .harm
    }

    // MARK: Cancels

    /// One that runs or one that waits, as the choice has it.
    func cancelSomeTask(_ plan: FaultPlan) async throws -> String? {
        let order: [TaskStatus] = plan.choice % 2 == 0 ? [.running, .pending] : [.pending, .running]
        for status in order {
            let tasks = try await patiently { try await hub.findTasks(TaskSelection(statuses: [status]), limit: 100) }
            let ids = tasks.filter { $0.name == nil }.compactMap(\.id)
            if ids.isEmpty { continue }
            let id = ids[Int(plan.choice % UInt64(ids.count))]
            let hasHit = try await cancel(id)
            return "task \(id), which was \(status)\(hasHit ? "" : " and had ended when it was cancelled")"
        }
        return nil
    }

    /// - Returns: Whether the request is known to have found it before its end.
    @discardableResult
    private func cancel(_ id: ObjectID) async throws -> Bool {
        // Before it is sent: a reply may be lost.
        cancels.withLock { if $0[id] == nil { $0[id] = .init() } }
        let count = try await patiently { try await hub.cancelTasks(.ids([id]), by: "chaos") }
        if count == 0 { return false }
        let time = try await patiently { try await hub.serverTime() }
        cancels.withLock { $0[id] = .init(acknowledged: time) }
        return true
    }

    /// Says the same again until MongoDB has answered.
    func patiently<Value>(_ body: () async throws -> Value) async throws -> Value {
        var result: Result<Value, any Error> = .failure(CancellationError())
        _ = await eventually(within: Self.patience, every: .milliseconds(200)) {
            do {
                result = .success(try await body())
                return true
            } catch {
                result = .failure(error)
                return Task.isCancelled
            }
        }
        return try result.get()
    }

    // MARK: What must become of them

    /// The expectations of a trial with those of its victims, and what was cancelled.
    func complete(
        _ expectations: [HistoryChecker.Expectation]
    ) async throws -> [HistoryChecker.Expectation] {
        let scripts = victims.withLock { $0 }
        var harmed = harmed.withLock { $0 }
        let cancels = cancels.withLock { $0 }
        // One whose creation was never acknowledged may be there all the same.
        let named = scripts.isEmpty ? [] : try await hub.findTasks(TaskSelection(names: scripts.keys.sorted()))
        for task in named {
            if let id = task.id, let script = task.name.flatMap({ scripts[$0] }) { harmed[id] = script }
        }
        var all = expectations + harmed.map { .init(task: $0.key, script: $0.value) }
        for index in all.indices { all[index].cancel = cancels[all[index].task] }
        return all
    }
}

extension RecordingScript {
    /// Whether it runs until somebody ends it.
    fileprivate var isForCancel: Bool { timeout == nil && seconds > 60 }

    fileprivate var ending: String {
        timeout != nil ? ", with a limit" : isForCancel ? ", cancelled" : ", ending by itself"
    }
}
