import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct WhyTests {
    private func waiting(_ hub: Hub, _ id: ObjectID) async throws -> TaskExplanation.Waiting {
        let explanation = try await hub.explain(id)
        guard case .pending(let waiting) = explanation.situation else {
            throw HubError(.wrongState, "\(explanation.situation)")
        }
        return waiting
    }

    private func set(_ hub: Hub, _ id: ObjectID, _ fields: BSONDocument) async throws {
        _ = try await hub.database.collection("Task").updateOne(
            ["_id": .objectID(id)],
            .pipeline([["$set": .document(fields)]])
        )
    }

    /// A runner with a free slot that takes everything, but for what a test changes.
    private func beat(
        _ hub: Hub,
        _ name: String,
        id: ObjectID = ObjectID(),
        _ change: (inout RunnerBeat) -> Void = { _ in }
    ) async throws {
        var runner = MadeUpRunner(hub, name, id: id)
        runner.beat.query = "{}"
        runner.beat.blocked = 0
        change(&runner.beat)
        try await runner.tell()
    }

    @Test func `A task that waits says for what`() async throws {
        try await withTestHub { hub in
            try await beat(hub, "gpu1")
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            #expect(try await waiting(hub, id).obstacles == [])

            try await hub.holdTasks(.ids([id]))
            #expect(try await waiting(hub, id).obstacles == [.held])
            try await hub.releaseTasks(.ids([id]))

            let later = BSONDateTime(millisecondsSince1970: 32_503_680_000_000)
            try await set(hub, id, ["hub.ready": false, "hub.not_before": .dateTime(later)])
            #expect(try await waiting(hub, id).obstacles == [.notBefore(later)])

            try await set(hub, id, ["hub.history": [["attempt": 1, "cause": "checkpoint"]]])
            #expect(try await waiting(hub, id).obstacles == [.interrupted(until: later, cause: "checkpoint")])

            try await set(
                hub,
                id,
                [
                    "hub.history": [["attempt": 1, "cause": "exit-status"]], "hub.failures": 1, "hub.max_failures": 3,
                    "hub.error": ["kind": "exit-status", "message": "m"], "hub.deadline": .dateTime(later),
                ]
            )
            let failed = try await waiting(hub, id)
            #expect(failed.obstacles == [.backingOff(until: later, failures: 1, of: 3, cause: "exit-status")])
            #expect(failed.deadline == later)

            try await set(hub, id, ["hub.not_before": .dateTime(BSONDateTime(millisecondsSince1970: 1))])
            #expect(try await waiting(hub, id).obstacles == [.due])
            try await set(hub, id, ["hub.not_before": "soon"])
            #expect(try await waiting(hub, id).obstacles == [.notReady])
            try await set(hub, id, ["hub.ready": "no"])
            #expect(try await waiting(hub, id).obstacles == [.notAdopted])
        }
    }

    @Test func `Without any runner that is the reason`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            #expect(try await waiting(hub, id).obstacles == [.noRunner])
            try await beat(hub, "gpu1") { $0.state = .stopped }
            #expect(try await waiting(hub, id).obstacles == [.noRunner])
        }
    }

    @Test func `Each runner has its own reason`() async throws {
        try await withTestHub { hub in
            var spec = TaskSpec(name: "mnist", script: "pass")
            spec.tags = ["gpus": 8]
            let id = try await hub.createTask(spec)
            try await set(hub, id, ["hub.avoid": ["n-avoided"]])
            try await beat(hub, "a-free")
            try await beat(hub, "b-paused") { $0.state = .paused }
            _ = try await hub.pauseRunners(.named("b-paused"), by: "ann")
            try await beat(hub, "c-draining") { $0.state = .draining }
            try await beat(hub, "d-drained") { $0.state = .drained }
            try await beat(hub, "e-stopping") { $0.state = .stopping }
            try await beat(hub, "f-blocked") {
                $0.slots = 1
                $0.blocked = 1
            }
            try await beat(hub, "g-names") {
                $0.query = RunnerRecord.queryText(names: ["cifar"], filter: .all, sort: nil)
            }
            let small: Filter = "gpus" <= 1
            try await beat(hub, "h-filter") { $0.query = RunnerRecord.queryText(names: [], filter: small, sort: nil) }
            try await beat(hub, "i-broken") {
                $0.query = RunnerRecord.queryText(names: [], filter: Filter(["$nonsense": 1]), sort: nil)
            }
            try await beat(hub, "j-matching") {
                $0.query = RunnerRecord.queryText(names: ["mnist"], filter: "gpus" >= 8, sort: nil)
            }
            try await beat(hub, "k-lost")
            _ = try await hub.database.collection("Runner").updateOne(
                ["name": "k-lost"],
                .pipeline([["$set": ["heartbeat": ["$subtract": ["$$NOW", 3_600_000]]]]])
            )
            try await beat(hub, "l-stopped") { $0.state = .stopped }
            try await beat(hub, "n-avoided")

            let candidates = try await waiting(hub, id).candidates
            var obstacles = Dictionary(uniqueKeysWithValues: candidates.map { ($0.runner.name ?? "", $0.obstacles) })
            #expect(obstacles.removeValue(forKey: "a-free") == [])
            #expect(obstacles.removeValue(forKey: "j-matching") == [])
            let paused = try #require(obstacles.removeValue(forKey: "b-paused")?.first)
            if case .paused(let control) = paused { #expect(control?.by == "ann") } else { Issue.record("\(paused)") }
            #expect(obstacles.removeValue(forKey: "c-draining") == [.draining(nil)])
            #expect(obstacles.removeValue(forKey: "d-drained") == [.drained(nil)])
            #expect(obstacles.removeValue(forKey: "e-stopping") == [.stopping(nil)])
            #expect(obstacles.removeValue(forKey: "f-blocked") == [.full(slots: 1, blocked: 1)])
            #expect(obstacles.removeValue(forKey: "g-names") == [.otherNames(["cifar"])])
            #expect(obstacles.removeValue(forKey: "h-filter") == [.filtered(small)])
            #expect(obstacles.removeValue(forKey: "i-broken")?.map(\.word) == ["filter-fails"])
            #expect(obstacles.removeValue(forKey: "k-lost")?.map(\.word) == ["lost"])
            #expect(obstacles.removeValue(forKey: "n-avoided") == [.avoided])
            #expect(obstacles.isEmpty, "\(obstacles.keys)")
            #expect(candidates.first { $0.runner.name == "g-names" }?.ahead == nil)
            #expect(candidates.first { $0.runner.name == "a-free" }?.ahead?.number == 0)
        }
    }

    @Test func `A runner whose slots are all under leases is full`() async throws {
        try await withTestHub { hub in
            let ids = try await hub.createTasks(Array(repeating: TaskSpec(script: "pass"), count: 3))
            let runner = ObjectID()
            try await beat(hub, "gpu1", id: runner) { $0.slots = 2 }
            let claimed = try await hub.session(runner, name: "gpu1").claim(2)
            #expect(claimed.tasks.count == 2)
            #expect(try await waiting(hub, ids[2]).candidates.map(\.obstacles) == [[.full(slots: 2, blocked: 0)]])
        }
    }

    @Test func `What MongoDB refuses of a runner is named by its pending task and by its running one, until it passes`()
        async throws
    {
        try await withTestHub { hub in
            let ids = try await hub.createTasks([TaskSpec(script: "pass"), TaskSpec(script: "pass")])
            let runner = ObjectID()
            let since = BSONDateTime(millisecondsSince1970: 1_700_000_000_000)
            let claims = RunnerRefusal(.claims, text: "MongoDB user gpu1 may not update Task", since: since)
            let output = RunnerRefusal(.attempt, task: ids[0], text: "the output cannot be stored", since: since)
            let other = RunnerRefusal(.attempt, task: ObjectID(), text: "of another", since: since)
            try await beat(hub, "gpu1", id: runner) {
                $0.refused = [claims, output, other]
            }
            #expect(try await hub.session(runner, name: "gpu1").claim(1).tasks.map(\.id) == [ids[0]])
            #expect(try await hub.findRunners().first?.refused == [claims, output, other])
            #expect(try await waiting(hub, ids[1]).candidates.first?.obstacles == [.refused(claims)])
            guard case .running(let execution) = try await hub.explain(ids[0]).situation else {
                Issue.record("it does not run")
                return
            }
            #expect(execution.refused == [output])
            // A sign of life without a word about it leaves what is told there.
            try await beat(hub, "gpu1", id: runner)
            #expect(try await hub.findRunners().first?.refused.count == 3)
            try await beat(hub, "gpu1", id: runner) {
                $0.refused = []
            }
            #expect(try await hub.findRunners().first?.document["refused"] == nil)
            #expect(try await waiting(hub, ids[1]).candidates.first?.obstacles == [])
        }
    }

    @Test func `A lost runner whose successor is there does not count`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            try await beat(hub, "gpu1")
            _ = try await hub.database.collection("Runner").updateMany(
                [:],
                .pipeline([
                    ["$set": ["heartbeat": ["$subtract": ["$$NOW", 3_600_000]]]],
                    ["$set": ["started": "$heartbeat"]],
                ])
            )
            #expect(try await waiting(hub, id).candidates.map(\.runner.state) == [.lost])
            try await beat(hub, "gpu1")
            #expect(try await waiting(hub, id).candidates.map(\.runner.state) == [.running])
        }
    }

    @Test func `The place in line is by priority, then time, then id, and by each runner's own order`() async throws {
        try await withTestHub { hub in
            var specs = (0..<6).map { TaskSpec(name: "t", script: "pass", hyperParameters: ["n": .init(smallest: $0)]) }
            specs[4].priority = 3
            specs[5].name = "other"
            let ids = try await hub.createTasks(specs)
            let held = try await hub.createTask(TaskSpec(name: "t", script: "pass", hyperParameters: ["n": 99]))
            try await hub.holdTasks(.ids([held]))
            try await beat(hub, "a-any")
            try await beat(hub, "b-names") {
                $0.query = RunnerRecord.queryText(names: ["t"], filter: .all, sort: nil)
            }
            try await beat(hub, "c-largest") {
                $0.query = RunnerRecord.queryText(names: [], filter: .all, sort: .descending("hyper_parameters.n"))
            }
            try await beat(hub, "d-filter") {
                let order = Sort.ascending("missing").then(.ascending("hyper_parameters.n"))
                $0.query = RunnerRecord.queryText(names: [], filter: "hyper_parameters.n" >= 2, sort: order)
            }
            func ahead(_ id: ObjectID) async throws -> [Int?] {
                let waiting = try await waiting(hub, id)
                return [waiting.ahead.number] + waiting.candidates.map { $0.ahead?.number }
            }
            // Created together, so their time is the same: 4 goes first, then by id.
            let first = try await ahead(ids[0])
            #expect(first == [1, 1, 1, 5, nil])
            let third = try await ahead(ids[3])
            #expect(third == [4, 4, 4, 2, 1])
            let fourth = try await ahead(ids[4])
            #expect(fourth == [0, 0, 0, 1, 2])
            let last = try await ahead(ids[5])
            #expect(last == [5, 5, nil, 0, 3])
        }
    }

    @Test func `The count of tasks ahead ends at its limit`() async throws {
        try await withTestHub { hub in
            let spec = TaskSpec(script: "pass")
            _ = try await hub.createTasks(Array(repeating: spec, count: Hub.countLimit + 5))
            let id = try await hub.createTask(spec)
            let ahead = try await waiting(hub, id).ahead
            #expect(ahead == TaskCount(number: Hub.countLimit, isCapped: true))
        }
    }

    @Test func `A running task tells where it runs and whether its lease is over`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            let runner = MadeUpRunner(hub, "gpu1")
            try await runner.tell()
            _ = try await runner.session.claim(1)
            try await hub.session().appendOutput([OutputChunk(attempt: 1, seq: 0, offset: 0, data: [65])], of: id)
            _ = try await hub.cancelTasks(.ids([id]), by: "ann", reason: "wrong data")
            let explanation = try await hub.explain(id)
            guard case .running(let execution) = explanation.situation else {
                Issue.record("\(explanation.situation)")
                return
            }
            #expect(execution.host == "gpu1" && execution.runner?.id == runner.id)
            #expect(execution.lease?.runner == runner.id && !execution.isLeaseExpired)
            #expect(execution.lastOutput != nil)
            #expect(execution.cancel?.by == "ann" && execution.cancel?.reason == "wrong data")

            try await set(hub, id, ["hub.lease.expires": ["$subtract": ["$$NOW", 5000]]])
            let later = try await hub.explain(id)
            guard case .running(let lost) = later.situation else { return }
            #expect(lost.isLeaseExpired)
            #expect(later.document.value(atPath: "execution.lease_expired") == true)
        }
    }

    @Test func `An ended task has its history, and an unknown one is not found`() async throws {
        try await withTestHub { hub in
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            try await hub.cancelTasks(.ids([id]))
            #expect(try await hub.explain(id).situation == .ended)
            let error = await #expect(throws: HubError.self) { try await hub.explain(ObjectID()) }
            #expect(error?.code == .notFound)
        }
    }
}
