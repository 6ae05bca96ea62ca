import BSON
import MongoDriver
import TensorHub
import Testing

@Suite struct WhyTests {
    @Test func `A pending task says what it waits for and why each runner does not take it`() async throws {
        try await withCommands { fixture in
            let script = try fixture.file("ok.sh", "exit 0")
            let first = try await fixture.run("submit", script, "--hold").output.trimmingLineEnd
            let held = try await fixture.run("why", first)
            #expect(held.status == 0 && held.errors.isEmpty)
            #expect(held.output.contains("`tensorhub release 1`"), "\(held.output)")
            #expect(held.output.contains("no runner of this project is known"))

            _ = try await fixture.run("release", first)
            let second = try await fixture.run("submit", script).output.trimmingLineEnd
            let runners = fixture.hub.database.collection("Runner")
            for (name, state) in [("gpu1", "paused"), ("gpu2", "running")] {
                _ = try await runners.insertOne([
                    "name": .string(name), "project": "test", "state": .string(state), "slots": 1, "lease": 60,
                    "control": [
                        "state": "pause", "time": .dateTime(.init(millisecondsSince1970: 1)), "by": "ann\u{1B}[2J",
                    ],
                    "query": state == "running" ? #"{"names": ["mnist"]}"# : "{}",
                ])
            }
            _ = try await runners.updateMany([:], .pipeline([["$set": ["heartbeat": "$$NOW"]]]))
            let result = try await fixture.run("why", second)
            for part in [
                "is pending", "1 task goes first", "`tensorhub runner resume gpu1`", "paused by ann",
                "takes only tasks named mnist",
            ] {
                #expect(result.output.contains(part), "\(part) is missing in \(result.output)")
            }
            #expect(!result.output.contains("\u{1B}"))
            let json = try BSONDocument(extendedJSON: try await fixture.run("why", second, "--json").output)
            #expect(json["status"] == "pending")
            #expect(json.value(atPath: "ahead.number") == 1)
            #expect(json.value(atPath: "runners.0.obstacles.0.kind") == "paused")
            #expect(json.value(atPath: "runners.1.obstacles.0.names.0") == "mnist")
        }
    }

    @Test func `A running task says where`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([
                "status": "running",
                "hub": [
                    "attempt": 1, "started": .dateTime(.init(millisecondsSince1970: 1000)),
                    "lease": [
                        "runner": .objectID(ObjectID()), "token": .objectID(ObjectID()),
                        "expires": .dateTime(.init(millisecondsSince1970: 2000)),
                    ],
                    "history": [["attempt": 1, "host": "gpu1"]], "cancel": ["by": "ann", "reason": "wrong data"],
                ],
            ])[0]
            let result = try await fixture.run("why", "\(id)")
            for part in ["is running since", "gpu1", "will be rescued", "none yet", "by ann: wrong data"] {
                #expect(result.output.contains(part), "\(part) is missing in \(result.output)")
            }
        }
    }

    @Test func `An ended task tells how each attempt ended`() async throws {
        try await withCommands { fixture in
            let id = try await fixture.store([
                "status": "failed",
                "hub": [
                    "attempt": 2, "ended": .dateTime(.init(millisecondsSince1970: 2000)),
                    "history": [
                        ["attempt": 1, "host": "gpu1", "cause": "runner-lost"],
                        ["attempt": 2, "host": "gpu2", "cause": "signal", "signal": 11],
                    ],
                    "error": ["kind": "signal", "message": "signal 11", "tail": "last words\n"],
                ],
            ])[0]
            let result = try await fixture.run("why", "\(id)")
            for part in ["is failed", "runner-lost", "gpu2", "11", "signal 11", "last words"] {
                #expect(result.output.contains(part), "\(part) is missing in \(result.output)")
            }
            let json = try BSONDocument(extendedJSON: try await fixture.run("why", "\(id)", "--json").output)
            #expect(json.value(atPath: "history.1.signal") == 11)
            #expect(json.value(atPath: "error.kind") == "signal")
        }
    }

    @Test func `An unknown id is nothing matched and a bad one bad input`() async throws {
        try await withCommands { fixture in
            let unknown = try await fixture.run("why", "000000000000000000000000")
            let bad = try await fixture.run("why", "mnist")
            #expect(unknown.status == 3 && bad.status == 2)
        }
    }
}
