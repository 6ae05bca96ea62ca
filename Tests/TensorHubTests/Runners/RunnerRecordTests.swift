import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

extension RunnerBeat {
    /// A sign of life of a runner that a test makes up.
    static func of(_ name: String, state: RunnerRecord.State = .running) -> RunnerBeat {
        RunnerBeat(
            host: "\(name)-host",
            pid: 7,
            version: "1.2.3",
            slots: 4,
            labels: ["gpu": "a100", "a.b": "$c"],
            state: state,
            query: RunnerRecord.queryText(names: ["mnist"], filter: "n" > 1, sort: .descending("n")),
            running: [AttemptID(task: ObjectID(), number: 2)],
            done: 5,
            blocked: 1,
            control: nil
        )
    }
}

/// A runner that a test makes up, and what it tells of itself.
struct MadeUpRunner {
    var session: RunnerSession
    var beat: RunnerBeat

    init(_ hub: Hub, _ name: String, id: ObjectID = ObjectID(), state: RunnerRecord.State = .running) {
        session = hub.session(id, name: name)
        beat = .of(name, state: state)
    }

    var id: ObjectID { session.runner }

    @discardableResult
    func tell() async throws -> RunnerRecord? { try await session.beat(beat) }
}

@Suite struct RunnerRecordTests {
    /// Makes a runner's last sign of life older.
    private func age(_ hub: Hub, _ id: ObjectID, milliseconds: Int64) async throws {
        let heartbeat: BSONDocument = ["$set": ["heartbeat": ["$subtract": ["$$NOW", .int64(milliseconds)]]]]
        _ = try await hub.database.collection("Runner").updateOne(["_id": .objectID(id)], .pipeline([heartbeat]))
    }

    @Test func `A sign of life makes the document, keeps the start, and brings what is asked`() async throws {
        try await withTestHub { hub in
            var gpu1 = MadeUpRunner(hub, "gpu1")
            let first = try await gpu1.tell()
            #expect(first?.control == nil)
            let made = try #require(try await hub.findRunners().first)
            #expect(made.id == gpu1.id && made.name == "gpu1" && made.host == "gpu1-host" && made.pid == 7)
            #expect(made.version == "1.2.3" && made.slots == 4 && made.blocked == 1 && made.done == 5)
            #expect(made.labels == ["gpu": "a100", "a.b": "$c"])
            #expect(made.lease == .seconds(60) && made.running == gpu1.beat.running)
            let filter: Filter = "n" > 1
            #expect(made.taskNames == ["mnist"] && made.filter == filter && made.sort == .descending("n"))
            #expect(made.started == made.heartbeat)
            #expect(made.state == .running)
            #expect(made.document["slots"]?.type == .int32 && made.document["done"]?.type == .int64)
            #expect(made.document["lease"]?.type == .double && made.document["query"]?.type == .string)

            #expect(try await hub.drainRunners(.named("gpu1"), deadline: .seconds(60), by: "ann") == 1)
            gpu1.beat.state = .draining
            gpu1.beat.labels = [:]
            let second = try #require(try await gpu1.tell())
            #expect(second.control?.request == .drain && second.control?.by == "ann")
            let deadline = try #require(second.control?.deadline)
            #expect(deadline.millisecondsSince1970 - second.control!.time.millisecondsSince1970 == 60_000)
            let changed = try #require(try await hub.findRunners().first)
            #expect(changed.started == made.started && changed.state == .draining && changed.labels.isEmpty)
        }
    }

    @Test func `A request replaces the one before, and is one statement for all that live`() async throws {
        try await withTestHub { hub in
            for name in ["a", "b"] { try await MadeUpRunner(hub, name).tell() }
            try await MadeUpRunner(hub, "c", state: .stopped).tell()
            #expect(try await hub.drainRunners(.all, deadline: .seconds(5), by: "ann") == 2)
            #expect(try await hub.pauseRunners(.all) == 2)
            let asked = try await hub.findRunners()
            for runner in asked where runner.name != "c" {
                let control = try #require(runner.control)
                #expect(control.request == .pause && control.deadline == nil && control.by == nil)
            }
            #expect(try await hub.resumeRunners(.named("a"), by: "bob") == 1)
            let ids = try await hub.findRunners().map(\.id)
            #expect(try await hub.stopRunners(.ids([ids[1], ids[2]])) == 1)
            #expect(try await hub.findRunners().map(\.control?.request) == [.resume, .stop, nil])
            await #expect(throws: HubError.self) { try await hub.drainRunners(.all, deadline: .seconds(-1)) }
        }
    }

    @Test func `A runner that is silent for two of its leases is lost, by the server's clock`() async throws {
        try await withTestHub { hub in
            let (fresh, silent, stopped) = (
                MadeUpRunner(hub, "a"), MadeUpRunner(hub, "b"), MadeUpRunner(hub, "c", state: .stopped)
            )
            for runner in [fresh, silent, stopped] { try await runner.tell() }
            try await age(hub, fresh.id, milliseconds: 60_000)
            try await age(hub, silent.id, milliseconds: 121_000)
            try await age(hub, stopped.id, milliseconds: 3_600_000)
            let runners = try await hub.findRunners()
            #expect(runners.map(\.state) == [.running, .lost, .stopped])
            #expect((runners[1].silence ?? .zero) >= .seconds(121))
        }
    }

    @Test func `Odd documents in the collection break nothing`() async throws {
        let odd: [BSONDocument] = [
            ["_id": "by hand", "project": "default"], ["project": ["default"]], [:], ["project": 5],
            ["project": "default"],
            ["project": "default", "heartbeat": "now", "lease": "long", "slots": "many", "running": 3],
            [
                "project": "default", "heartbeat": .dateTime(BSONDateTime(millisecondsSince1970: .min)), "state": 1,
                "lease": .double(.nan),
            ],
            [
                "project": "default", "heartbeat": .dateTime(BSONDateTime(millisecondsSince1970: .max)),
                "lease": .int64(.max), "labels": [1], "control": ["state": "explode"],
            ],
            [
                "project": "default", "lease": .decimal128(Decimal128(high: 0x5FFE_0000_0000_0000, low: 1)),
                "running": [1, ["task": 1], nil], "query": "{", "control": 5, "name": 7,
            ],
        ]
        try await withTestHub { hub in
            let collection = hub.database.collection("Runner")
            for document in odd { _ = try await collection.insertOne(document) }
            let gpu1 = MadeUpRunner(hub, "gpu1")
            try await gpu1.tell()
            #expect(try await hub.findRunners().filter { $0.name == "gpu1" }.map(\.state) == [.running])
            // An array counts as each of its elements.
            #expect(try await hub.findRunners().count == 7)
            for runner in try await hub.findRunners() { _ = (runner.sort, runner.filter, runner.running, runner.lease) }
            #expect(try await hub.runner("gpu1").id == gpu1.id)
            #expect(try await hub.pauseRunners(.all) == 7)
            #expect(try await gpu1.tell()?.control?.request == .pause)
            #expect(try await gpu1.session.namesakes(on: "gpu1-host").map(\.id) == [gpu1.id])
            try await gpu1.session.forgetNamesakes(on: "gpu1-host")
            // The one whose last sign of life lies before all time goes with the old ones.
            #expect(try await collection.countDocuments() == odd.count)
            let id = try await hub.createTask(TaskSpec(script: "pass"))
            _ = try await hub.explain(id)
        }
    }

    @Test func `A project sees its own runners alone`() async throws {
        try await withTestHub { hub in
            try await MadeUpRunner(hub, "gpu1").tell()
            let uri = try await TestMongo.uri(database: hub.database.name)
            try await Hub.withHub(uri: uri, project: "other") { other in
                let (found, stopped) = (try await other.findRunners(), try await other.stopRunners(.all))
                #expect(found.isEmpty && stopped == 0)
            }
            #expect(try await hub.findRunners().count == 1)
        }
    }

    @Test func `A word means a name, an id, or the beginning of one`() async throws {
        try await withTestHub { hub in
            let ids = ["0a0000000000000000000001", "0a0000000000000000000002", "0b0000000000000000000003"].compactMap {
                ObjectID($0)
            }
            try await MadeUpRunner(hub, "gpu1", id: ids[0], state: .stopped).tell()
            try await MadeUpRunner(hub, "gpu1", id: ids[1]).tell()
            try await MadeUpRunner(hub, "gpu2", id: ids[2]).tell()
            #expect(try await hub.runner("gpu1").id == ids[1])
            #expect(try await hub.runner("0B").id == ids[2])
            #expect(try await hub.runner(ids[0].description).id == ids[0])
            let unknown = await #expect(throws: HubError.self) { try await hub.runner("gpu3") }
            #expect(unknown?.code == .notFound)
            let unclear = await #expect(throws: HubError.self) { try await hub.runner("0a") }
            #expect(unclear?.code == .invalidInput)
            try await MadeUpRunner(hub, "gpu1").tell()
            let several = await #expect(throws: HubError.self) { try await hub.runner("gpu1") }
            #expect(several?.message.contains("2 runners") == true)
        }
    }

    @Test func `A new runner forgets its predecessors, and anybody's that are a month old`() async throws {
        try await withTestHub { hub in
            let day: Int64 = 86_400_000
            func runner(_ name: String, _ state: RunnerRecord.State = .running) -> MadeUpRunner {
                MadeUpRunner(hub, name, state: state)
            }
            let ages: [(MadeUpRunner, Int64)] = [
                (runner("mine", .stopped), 0), (runner("mine"), day + 1000), (runner("mine"), day / 2),
                (runner("mine"), 0),
                (runner("other", .stopped), day), (runner("other"), 31 * day), (runner("mine"), 0),
            ]
            for (runner, milliseconds) in ages {
                try await runner.tell()
                try await age(hub, runner.id, milliseconds: milliseconds)
            }
            let dead = [ages[3].0.id, ages[4].0.id]
            try await ages[6].0.session.forgetNamesakes(on: "mine-host", dead: dead)
            let left = Set(try await hub.findRunners().map(\.id))
            #expect(left == [ages[2].0.id, ages[4].0.id, ages[6].0.id], "another name is another runner")
        }
    }

    @Test func `A pause is handed on, and what is asked of the new runner itself counts more`() async throws {
        try await withTestHub { hub in
            var gpu1 = MadeUpRunner(hub, "gpu1")
            try await gpu1.tell()
            _ = try await hub.pauseRunners(.all, by: "ann")
            gpu1.beat.state = .stopped
            try await gpu1.tell()
            #expect(try await hub.session(name: "gpu2").namesakes(on: "gpu1-host").isEmpty)
            let pause = try #require(try await gpu1.session.namesakes(on: "gpu1-host").last?.control)
            #expect(pause.request == .pause && pause.by == "ann")
            var next = MadeUpRunner(hub, "gpu1")
            next.beat.control = pause
            #expect(try await next.tell()?.control == pause)
            _ = try await hub.resumeRunners(.ids([next.id]))
            #expect(try await next.tell()?.control?.request == .resume)
            #expect(try await gpu1.session.namesakes(on: "gpu1-host").last?.control?.request == .resume)
        }
    }

    @Test func `Requests make events, signs of life make none`() async throws {
        try await withTestHub { hub in
            let gpu1 = MadeUpRunner(hub, "gpu1")
            try await gpu1.tell()
            try await MadeUpRunner(hub, "gpu2").tell()
            let stream = gpu1.session.watchControl()
            try await stream.open()
            try await gpu1.tell()
            _ = try await hub.drainRunners(.named("gpu2"))
            let times = hub.database.collection("Runner")
            var requested: [BSONValue?] = []
            for _ in 0..<3 {
                _ = try await hub.pauseRunners(.all)
                requested.append(try await times.findOne(["name": "gpu1"])?.value(atPath: "control.time"))
            }
            #expect(Set(requested).count == 3)
            var events = stream.makeAsyncIterator()
            for _ in 0..<3 {
                let event = try await events.next()
                #expect(event?.document.value(atPath: "documentKey._id") == .objectID(gpu1.id))
            }
            // Nothing came between: the next one is this one.
            try await gpu1.tell()
            _ = try await times.deleteOne(["name": "gpu2"])
            _ = try await hub.resumeRunners(.all)
            let last = try await events.next()
            #expect(last != nil)
        }
    }
}
