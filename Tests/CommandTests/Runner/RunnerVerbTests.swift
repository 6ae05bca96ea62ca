import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// `tensorhub runner ...`
@Suite struct RunnerVerbTests {
    /// Stores a runner as it would describe itself; returns its id.
    private func store(
        _ fixture: CommandFixture,
        _ name: String,
        _ state: String = "running",
        silence: Int = 0
    ) async throws -> ObjectID {
        let id = ObjectID()
        let document: BSONDocument = [
            "_id": .objectID(id), "host": "machine", "name": .string(name), "pid": 7, "version": "1.0",
            "project": "test", "slots": 4, "labels": ["gpu": "a100"], "state": .string(state), "lease": .double(60),
            "query": #"{"names": ["mnist"], "filter": {"n": {"$gt": 1}}}"#,
            "running": [["task": .objectID(ObjectID()), "attempt": 1]], "done": .int64(12), "blocked": 1,
        ]
        let runners = fixture.hub.database.collection("Runner")
        _ = try await runners.insertOne(document)
        let heartbeat: BSONDocument = ["$subtract": ["$$NOW", .init(smallest: silence * 1000)]]
        _ = try await runners.updateOne(
            ["_id": .objectID(id)],
            .pipeline([["$set": ["heartbeat": .document(heartbeat), "started": .document(heartbeat)]]])
        )
        return id
    }

    private func controls(_ fixture: CommandFixture) async throws -> [String?] {
        try await fixture.hub.findRunners().map { $0.control?.request.rawValue }
    }

    @Test func `The list shows runners but those that have stopped`() async throws {
        try await withCommands { fixture in
            #expect(try await fixture.run("runner", "ls").status == 3)
            let id = try await store(fixture, "gpu1")
            _ = try await store(fixture, "gpu2", silence: 300)
            _ = try await store(fixture, "gpu3", "stopped")
            let table = try await fixture.run("runner", "ls")
            #expect(table.status == 0)
            #expect(table.errors == "1 runner stopped: gpu3; --all-states lists them too\n")
            #expect(table.lines.count == 3)
            for part in ["\(id)", "gpu1", "machine", "running", "3+1 blocked", "12", "gpu=a100", "lost", "5m0"] {
                #expect(table.output.contains(part), "\(part) is missing in \(table.output)")
            }
            #expect(try await fixture.run("runner", "ls", "--all-states").lines.count == 4)
            #expect(try await fixture.run("runner", "ls", "--quiet").lines.count == 2)
            let json = try await fixture.run("runner", "ls", "--json")
            let documents = try BSONValue(extendedJSON: json.output).arrayValue?.compactMap(\.documentValue) ?? []
            #expect(documents.map { $0["state"]?.stringValue } == ["running", "lost"])
        }
    }

    @Test func `Show tells everything about a runner`() async throws {
        try await withCommands { fixture in
            let id = try await store(fixture, "gpu1")
            let task = try await fixture.store([
                "task_name": "mnist", "status": "running", "hub": ["attempt": 2, "lease": ["runner": .objectID(id)]],
            ])[0]
            _ = try await fixture.run("runner", "pause", "gpu1")
            for word in ["gpu1", "\(id)", String("\(id)".prefix(20))] {
                let result = try await fixture.run("runner", "show", word)
                #expect(result.status == 0, "\(result.errors)")
                for part in ["\(id)", "machine", "running (asked to pause)", "mnist", #"{"n": {"$gt": 1}}"#, "\(task)"]
                {
                    #expect(result.output.contains(part), "\(part) is missing in \(result.output)")
                }
            }
            let json = try await fixture.run("runner", "show", "gpu1", "--json")
            let document = try BSONDocument(extendedJSON: json.output)
            #expect(document.value(atPath: "running.0.task") == .objectID(task))
            #expect(document.value(atPath: "control.state") == "pause")
            #expect(try await fixture.run("runner", "show", "gpu9").status == 3)
        }
    }

    @Test(arguments: ["drain", "pause", "resume", "stop"])
    func `Each verb asks those that are named`(_ verb: String) async throws {
        try await withCommands { fixture in
            let ids = [try await store(fixture, "gpu1"), try await store(fixture, "gpu2")]
            let result = try await fixture.run("runner", verb, "gpu1")
            #expect(result.status == 0 && result.output == "\(ids[0])\n")
            #expect(result.errors == "1 runner asked to \(verb)\n")
            #expect(try await controls(fixture) == [verb, nil])
            #expect(try await fixture.hub.findRunners()[0].control?.by?.isEmpty == false)

            let all = try await fixture.run("runner", verb, "--all", "--json")
            let documents = try BSONValue(extendedJSON: all.output).arrayValue?.compactMap(\.documentValue) ?? []
            #expect(documents.map { $0.value(atPath: "control.state")?.stringValue } == [verb, verb])
        }
    }

    @Test(arguments: ["drain", "pause", "resume", "stop"])
    func `Nothing is asked where a word means no runner`(_ verb: String) async throws {
        try await withCommands { fixture in
            #expect(try await fixture.run("runner", verb, "--all").status == 3)
            _ = try await store(fixture, "gpu1")
            _ = try await store(fixture, "gpu2", "stopped")
            #expect(try await fixture.run("runner", verb).status == 2)
            #expect(try await fixture.run("runner", verb, "gpu1", "--all").status == 2)
            let unknown = try await fixture.run("runner", verb, "gpu1", "gpu7")
            #expect(unknown.status == 3 && unknown.errors.contains("no runner 'gpu7'"))
            let stopped = try await fixture.run("runner", verb, "gpu2")
            #expect(stopped.status == 3 && stopped.errors.contains("has stopped"))
            #expect(try await controls(fixture) == [nil, nil])
        }
    }

    @Test func `A deadline is checked`() async throws {
        try await withCommands { fixture in
            _ = try await store(fixture, "gpu1")
            let result = try await fixture.run("runner", "drain", "gpu1", "--deadline", "soon")
            #expect(result.status == 2 && result.errors.contains("--deadline"))
            #expect(try await fixture.run("runner", "drain", "gpu1", "--deadline", "10m").status == 0)
            #expect(try await fixture.hub.findRunners()[0].control?.deadline != nil)
        }
    }

    @Test func `A wait for a lost runner fails`() async throws {
        try await withCommands { fixture in
            _ = try await store(fixture, "gpu1", silence: 300)
            let result = try await fixture.run("runner", "drain", "gpu1", "--wait")
            #expect(result.status == 1 && result.errors.contains("runner gpu1 is lost"))
        }
    }

    @Test func `A wait ends when somebody asks for something else`() async throws {
        try await withCommands { fixture in
            _ = try await store(fixture, "gpu1")
            let waiter = try fixture.start("runner", "drain", "gpu1", "--wait")
            #expect(await eventually { waiter.errors.contains("asked to drain") })
            _ = try await fixture.hub.resumeRunners(.all, by: "ann")
            let result = try await fixture.end(of: waiter)
            #expect(result.status == 1 && result.errors.contains("ann asked runner gpu1 to resume meanwhile"))
        }
    }

    @Test func `A daemon is drained, resumed and stopped from afar`() async throws {
        try await withCommands { fixture in
            let daemon = try fixture.startDaemon("--name", "gpu1", "--labels", "site=lab")
            #expect(
                try await eventually(within: .seconds(60)) {
                    try await fixture.hub.findRunners().contains { $0.state == .running }
                }
            )
            #expect(try await fixture.run("runner", "ls").output.contains("site=lab"))
            let drained = try await fixture.run("runner", "drain", "gpu1", "--wait")
            #expect(drained.status == 0, "\(drained.errors)")
            #expect(try await fixture.hub.runner("gpu1").state == .drained)
            let script = try fixture.file("ok.sh", "exit 0")
            let id = try await fixture.run("submit", script).output.trimmingLineEnd
            #expect(try await fixture.run("why", id).output.contains("drained"))
            #expect(try await fixture.run("runner", "resume", "gpu1").status == 0)
            #expect(try await fixture.run("wait", id).status == 0)
            let stopped = try await fixture.run("runner", "stop", "gpu1", "--wait")
            #expect(stopped.status == 0, "\(stopped.errors)")
            let end = try await fixture.end(of: daemon)
            #expect(end.status == 0, "\(end.errors)")
        }
    }
}
