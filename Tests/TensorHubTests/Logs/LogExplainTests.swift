import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// A log with a million entries.
@Suite struct LogExplainTests {
    /// Keys and documents for 100 entries.
    private static let few = 110

    private func work(_ hub: Hub, _ command: BSONDocument) async throws -> (keys: Int, documents: Int) {
        let reply = try await hub.database.runCommand(["explain": .document(command), "verbosity": "executionStats"])
        let stats = try #require(reply["executionStats"]?.documentValue)
        return (
            try #require(stats["totalKeysExamined"]?.intValue), try #require(stats["totalDocsExamined"]?.intValue)
        )
    }

    @Test func `Reading 100 entries by time or by task looks at few keys among a million`() async throws {
        try await withTestHub { hub in
            try await hub.ensureLogIndexes(.training)
            let tasks = (0..<10).map { _ in ObjectID() }
            let collection = hub.database.collection("TrainLog").with(WriteConcern(.members(1)))
            for batch in 0..<100 {
                let documents = (0..<10_000).map { index -> BSONDocument in
                    let n = batch * 10_000 + index
                    return [
                        "_id": .objectID(ObjectID()), "loss": .double(Double(n)), "step": .int32(Int32(n)),
                        "project_name": .string(hub.project),
                        "time": .dateTime(BSONDateTime(millisecondsSince1970: 1_700_000_000_000 + Int64(n))),
                        "hub": ["task": .objectID(tasks[n % 10]), "attempt": .int32(1)],
                    ]
                }
                _ = try await collection.insertMany(documents, ordered: false)
            }
            let queries: [(String, Filter, Sort)] = [
                ("newest", .all, .newest), ("oldest", .all, .oldest), ("of a task", .tasks([tasks[3]]), .oldest),
                ("newest of a task", .tasks([tasks[3]]), .newest),
                ("of several tasks", .tasks(Array(tasks.prefix(3))), .newest),
                (
                    "since a time",
                    "time" >= .dateTime(BSONDateTime(millisecondsSince1970: 1_700_000_500_000)), .oldest
                ),
            ]
            for (what, filter, sort) in queries {
                let found = try await work(
                    hub,
                    [
                        "find": "TrainLog", "filter": .document(hub.logFilter(filter)),
                        "sort": .document(sort.document), "limit": 100,
                    ]
                )
                #expect(found.keys <= Self.few && found.documents <= Self.few, "\(what): \(found)")
            }
            #expect(try await hub.logs(.training, .tasks([tasks[3]]), sort: .newest, limit: 100).count == 100)
            #expect(try await hub.logFieldNames(.training) == ["loss", "step"])
        }
    }
}
