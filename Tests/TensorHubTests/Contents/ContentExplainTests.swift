import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Twenty thousand data sets of other names and of other projects, and two thousand versions of ours, lie in the way.
@Suite struct ContentExplainTests {
    private static let handful = 10

    private func fill(_ hub: Hub, _ collection: ContentCollection) async throws {
        let target = hub.database.collection(collection.name)
        for batch in 0..<11 {
            let documents = (0..<2000).map { index -> BSONDocument in
                let isOurs = batch == 0
                return [
                    "project_name": .string(index % 2 == 0 || isOurs ? hub.project : "other"),
                    collection.nameField: .string(isOurs ? "mine" : "set-\(batch)-\(index)"),
                    collection.blobField: .objectID(ObjectID()),
                    "time": .dateTime(BSONDateTime(millisecondsSince1970: Int64(batch * 2000 + index))),
                    "hub": [
                        "v": 1, "version": .int32(Int32(isOurs ? index + 1 : 1)),
                        "files": [["blob": .objectID(ObjectID())]],
                    ],
                ]
            }
            _ = try await target.insertMany(documents)
        }
    }

    private func work(_ hub: Hub, _ collection: ContentCollection, _ query: ContentQuery) async throws -> (Int, Int) {
        let reply = try await hub.database.runCommand([
            "explain": [
                "find": .string(collection.name), "filter": .document(collection.filter(query, project: hub.project)),
                "sort": .document(query.order.document), "limit": 1,
            ], "verbosity": "executionStats",
        ])
        let stats = try #require(reply["executionStats"]?.documentValue)
        return (
            try #require(stats["totalKeysExamined"]?.intValue), try #require(stats["totalDocsExamined"]?.intValue)
        )
    }

    @Test func `The newest, a version and the newest of all are found at a handful of keys among 22,000`() async throws
    {
        try await withTestHub { hub in
            for collection in [ContentCollection.dataSets, .models] {
                try await hub.ensureIndexes(collection.indexes, of: hub.collection(collection))
                try await fill(hub, collection)
                let queries = [
                    ContentQuery(name: "mine"), ContentQuery(name: "mine", version: 1000), ContentQuery(name: "absent"),
                    ContentQuery(), ContentQuery(name: "set-3-4"),
                ]
                for query in queries {
                    let (keys, documents) = try await work(hub, collection, query)
                    #expect(
                        keys <= Self.handful && documents <= Self.handful,
                        "\(collection.name) \(query.name ?? "any"): \(keys) keys, \(documents) documents"
                    )
                }
                let indexes = try await hub.collection(collection).listIndexes()
                let version = indexes.first { $0["name"] == "version" }
                #expect(version?["unique"] == true)
            }
            // The next version is found as quickly.
            let model = try await hub.saveModel(nil, name: "mine")
            #expect(model.version == 2001)
        }
    }
}
