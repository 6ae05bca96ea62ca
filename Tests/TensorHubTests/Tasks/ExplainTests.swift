import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// A collection in which 800,000 tasks that are none of our business lie in the way.
@Suite struct ExplainTests {
    /// The most keys and documents that a statement may look at, however large the collection.
    private static let handful = 10

    private func work(_ hub: Hub, _ command: BSONDocument) async throws -> (keys: Int, documents: Int) {
        let reply = try await hub.database.runCommand(["explain": .document(command), "verbosity": "executionStats"])
        let stats = try #require(reply["executionStats"]?.documentValue)
        return (
            try #require(stats["totalKeysExamined"]?.intValue), try #require(stats["totalDocsExamined"]?.intValue)
        )
    }

    private func fill(_ hub: Hub) async throws {
        let tasks = hub.database.collection("Task")
        let far = BSONDateTime(millisecondsSince1970: 4_000_000_000_000)
        for kind in ["finished", "waiting", "other", "newer"] {
            for batch in 0..<20 {
                let documents = (0..<10_000).map { index -> BSONDocument in
                    var own: BSONDocument = ["v": 1, "ready": .bool(kind != "waiting"), "priority": 0, "attempt": 0]
                    if kind == "newer" {
                        own["v"] = 3
                        own["priority"] = 9
                        // Ready for a newer runner, or waiting for its time.
                        own["ready"] = .double(index % 2 == 0 ? 3 : 3.5)
                        own.append("not_before", .dateTime(BSONDateTime(millisecondsSince1970: 1)))
                    }
                    if kind == "waiting" { own.append("not_before", .dateTime(far)) }
                    return [
                        "task_name": kind == "other" ? "other" : "mine", "project_name": .string(hub.project),
                        "time": .dateTime(BSONDateTime(millisecondsSince1970: Int64(batch * 10_000 + index))),
                        "status": kind == "finished" ? "finished" : "pending", "hub": .document(own),
                    ]
                }
                _ = try await tasks.insertMany(documents)
            }
        }
    }

    @Test func `A claim and a wait look at a handful of keys among 800,000 other tasks`() async throws {
        try await withTestHub { hub in
            try await hub.ensureIndexes()
            try await fill(hub)
            _ = try await hub.createTask(TaskSpec(name: "mine", script: "pass"))

            let claim = TaskStatements.claim(runner: ObjectID(), token: ObjectID(), name: "h", lease: .seconds(60))
            for names in [["mine"], []] {
                let query = ClaimQuery(names: names)
                let filter = query.document(project: hub.project, runner: "h", host: "m")
                let single = try await work(
                    hub,
                    [
                        "findAndModify": "Task", "query": .document(filter),
                        "sort": .document(query.order), "update": .array(claim.map(BSONValue.document)),
                    ]
                )
                #expect(single.keys <= Self.handful && single.documents <= Self.handful, "claim \(names): \(single)")
                let candidates = try await work(
                    hub,
                    [
                        "find": "Task", "filter": .document(filter),
                        "sort": .document(query.order), "projection": ["_id": 1], "limit": 4,
                    ]
                )
                #expect(candidates.keys <= Self.handful && candidates.documents <= Self.handful, "batch: \(candidates)")
            }

            let now = try await hub.serverTime()
            let filters: [(String, BSONDocument)] = [
                ("wait for a name", hub.unfinishedFilter(.named("nobody"))),
                ("wait for a name that is pending", hub.unfinishedFilter(.named("mine"))),
                ("wait for an identifier", hub.unfinishedFilter(.ids([ObjectID()]))),
                ("adopt", TaskStatements.adoptFilter(project: hub.project)),
                ("promote", TaskStatements.promoteFilter(project: hub.project, horizon: now, version: 1)),
                ("promote of version 2", TaskStatements.promoteFilter(project: hub.project, horizon: now, version: 2)),
                ("expire", TaskStatements.expireFilter(project: hub.project, horizon: now)),
                ("numbers", ["hub.number": ["$in": [.int64(1), .int64(5)]]]),
                ("a range of numbers", ["hub.number": Hub.within(2...400)]),
                ("look up a claim", ["hub.lease.token": .objectID(ObjectID()), "status": "running"]),
                (
                    "renew",
                    [
                        "status": "running", "hub.lease.runner": .objectID(ObjectID()),
                        "_id": ["$in": [.objectID(ObjectID())]],
                    ]
                ),
            ]
            let latest = try await work(
                hub,
                [
                    "find": "Task", "limit": 1, "sort": ["hub.number": -1],
                    "filter": [
                        "project_name": .string(hub.project), "hub.account": "ann",
                        "hub.number": ["$gte": 1, "$lt": .int64(1 << 53)],
                    ],
                ]
            )
            #expect(latest.keys <= Self.handful && latest.documents <= Self.handful, "@last: \(latest)")
            for (what, filter) in filters {
                let found = try await work(hub, ["find": "Task", "filter": .document(filter), "limit": 1])
                #expect(found.keys <= Self.handful && found.documents <= Self.handful, "\(what): \(found)")
            }
        }
    }
}
