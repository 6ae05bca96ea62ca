import BSON
import MongoDriver
import TestSupport
import Testing

@Suite struct CommandTests {
    @Test func `A document that is inserted is found again`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            let id = try await tasks.insertOne(["status": "pending", "n": 1])
            let found = try await tasks.findOne(["_id": id])
            #expect(found?["status"] == "pending")
            #expect(found?["n"] == 1)
            #expect(try await tasks.findOne(["status": "none"]) == nil)
        }
    }

    @Test func `Inserting many counts, keeps the order and gives an _id to those without one`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            #expect(try await tasks.insertMany([["n": 1], ["n": 2], ["_id": "three", "n": 3]]) == 3)
            #expect(try await tasks.insertMany([]) == 0)
            let all = try await tasks.findAll([:], FindOptions(sort: ["n": -1], projection: ["n": 1]))
            #expect(all.map { $0["n"] } == [3, 2, 1])
            #expect(all[0]["_id"] == "three")
            #expect(all[1]["_id"]?.objectIDValue != nil)
        }
    }

    @Test func `A search sorts, skips, limits and projects`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany((0..<20).map { ["_id": BSONValue(smallest: $0), "x": 1] })
            let options = FindOptions(
                sort: ["_id": -1],
                projection: ["_id": 1],
                limit: 3,
                skip: 2,
                batchSize: 2,
                hint: "_id_",
                maxTime: .seconds(5)
            )
            let found = try await tasks.findAll(["_id": ["$gte": 5]], options)
            #expect(found == [["_id": 17], ["_id": 16], ["_id": 15]])
        }
    }

    @Test func `Updates say what they matched, modified and upserted`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany([["_id": 1, "n": 1], ["_id": 2, "n": 1], ["_id": 3, "n": 2]])
            let one = try await tasks.updateOne(["n": 1], .document(["$set": ["n": 5]]))
            #expect(one == UpdateResult(matched: 1, modified: 1, upsertedID: nil))
            let many = try await tasks.updateMany([:], .pipeline([["$set": ["n": ["$add": ["$n", 1]]]]]))
            #expect(many == UpdateResult(matched: 3, modified: 3, upsertedID: nil))
            let same = try await tasks.updateMany([:], .document(["$set": ["k": 1]]), hint: .keys(["_id": 1]))
            #expect(same.modified == 3)
            #expect(try await tasks.updateMany([:], .document(["$set": ["k": 1]])).modified == 0)
            let upsert = try await tasks.updateOne(["_id": "new"], .document(["$set": ["n": 9]]), upsert: true)
            #expect(upsert == UpdateResult(matched: 0, modified: 0, upsertedID: "new"))
            let replaced = try await tasks.replaceOne(["_id": "new"], ["whole": true])
            #expect(replaced.modified == 1)
            #expect(try await tasks.findOne(["_id": "new"]) == ["_id": "new", "whole": true])
        }
    }

    @Test func `A bulk update sums up its statements and lists the refused ones`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany([["_id": 1, "n": 1], ["_id": 2, "n": "text"], ["_id": 3, "n": 1]])
            let result = try await tasks.bulkUpdate([
                UpdateStatement(filter: ["_id": 1], update: .document(["$inc": ["n": 1]])),
                UpdateStatement(filter: ["_id": 2], update: .document(["$inc": ["n": 1]])),
                UpdateStatement(filter: [:], update: .pipeline([["$set": ["seen": true]]]), multi: true),
            ])
            #expect(result.matched == 4)
            #expect(result.modified == 4)
            #expect(result.writeErrors.map(\.index) == [1])
            #expect(result.writeErrors.first?.code == 14)
            #expect(try await tasks.bulkUpdate([]).matched == 0)
        }
    }

    @Test func `Deletes count what they removed`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany((0..<5).map { ["_id": BSONValue(smallest: $0)] })
            #expect(try await tasks.deleteOne([:]) == 1)
            #expect(try await tasks.deleteMany(["_id": ["$gt": 2]]) == 2)
            #expect(try await tasks.deleteMany(["_id": "none"]) == 0)
            #expect(try await tasks.countDocuments() == 2)
        }
    }

    @Test func `The first in order is found and modified, and returned old or new`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany([["_id": 1, "p": 1], ["_id": 2, "p": 7], ["_id": 3, "p": 3]])
            let new = try await tasks.findAndModify(
                [:],
                .pipeline([["$set": ["taken": "$$NOW"]]]),
                sort: ["p": -1],
                projection: ["taken": 1]
            )
            #expect(new?["_id"] == 2)
            #expect(new?["taken"]?.dateTimeValue != nil)
            let old = try await tasks.findAndModify(
                ["_id": 3],
                .document(["$set": ["p": 4]]),
                returnNew: false,
                hint: "_id_"
            )
            #expect(old?["p"] == 3)
            #expect(try await tasks.findAndModify(["_id": 99], .document(["$set": ["p": 4]])) == nil)
            #expect(try await tasks.findOneAndDelete([:], sort: ["p": 1])?["_id"] == 1)
            let upserted = try await tasks.findAndModify(["_id": 50], .document(["$set": ["p": 0]]), upsert: true)
            #expect(upserted == ["_id": 50, "p": 0])
        }
    }

    @Test func `Aggregations, counts and distinct values come from the server`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany(
                (0..<10).map { ["_id": BSONValue(smallest: $0), "k": BSONValue(smallest: $0 % 3)] }
            )
            let groups = try await tasks.aggregateAll([
                ["$group": ["_id": "$k", "n": ["$sum": 1]]], ["$sort": ["_id": 1]],
            ])
            #expect(groups.map { $0["n"] } == [4, 3, 3])
            #expect(try await tasks.countDocuments(["k": 0]) == 4)
            #expect(try await tasks.countDocuments([:], limit: 3) == 3)
            #expect(try await tasks.distinct("k", ["k": ["$gt": 0]]).compactMap(\.intValue).sorted() == [1, 2])
        }
    }

    @Test func `Indexes are created once and listed`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            #expect(try await tasks.listIndexes().isEmpty)
            let indexes = [
                IndexModel(name: "claim", keys: ["status": 1, "time": -1]),
                IndexModel(name: "token", keys: ["token": 1], unique: true, sparse: true),
                IndexModel(name: "part", keys: ["x": 1], partialFilter: ["x": ["$gt": 1]]),
            ]
            try await tasks.createIndexes(indexes)
            try await tasks.createIndexes(indexes)
            let listed = try await tasks.listIndexes()
            #expect(listed.compactMap { $0["name"]?.stringValue }.sorted() == ["_id_", "claim", "part", "token"])
            await #expect(throws: MongoError.self) {
                try await tasks.createIndexes([IndexModel(name: "claim", keys: ["other": 1])])
            }
        }
    }

    @Test func `Collections are listed and dropped, a missing one too`() async throws {
        try await withTestDatabase { client, name in
            let database = client.database(name)
            try await database.collection("b").insertOne(["x": 1])
            try await database.collection("a").insertOne(["x": 1])
            #expect(try await database.listCollectionNames() == ["a", "b"])
            try await database.collection("a").drop()
            try await database.collection("never").drop()
            #expect(try await database.listCollectionNames() == ["b"])
            #expect(try await database.runCommand(["ping": 1])["ok"]?.doubleValue == 1)
        }
    }

    @Test func `Write and read concerns reach the server`() async throws {
        try await withTestDatabase { client, name in
            var tasks = client.database(name).collection("Task")
            tasks.writeConcern = .majority
            tasks.readConcern = .majority
            try await tasks.insertOne(["_id": 1])
            #expect(try await tasks.updateOne(["_id": 1], .document(["$set": ["x": 1]])).modified == 1)
            #expect(try await tasks.findAndModify(["_id": 1], .document(["$set": ["x": 2]]))?["x"] == 2)
            #expect(try await tasks.findAll() == [["_id": 1, "x": 2]])
            #expect(try await tasks.countDocuments() == 1)
            tasks.readConcern = ReadConcern(level: "nonsense")
            await #expect(throws: MongoError.self) { _ = try await tasks.findAll() }
        }
    }
}
