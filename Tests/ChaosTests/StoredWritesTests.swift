import BSON
import Chaos
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// What is there twice, not at all, damaged or left over after writes through an election is found.
@Suite struct StoredWritesTests {
    private static let bytes = [UInt8](repeating: 7, count: 600_000)

    @Test func `Writes that are there once and whole are clean, and whatever is not so is found`() async throws {
        try await withTestHub { hub in
            let hash = SHA256.hex(of: Self.bytes)
            try await hub.saveDataSet(.bytes(Self.bytes, as: "x"), name: "a")
            _ = try await hub.saveModel(.bytes(Self.bytes + [1], as: "x"), name: "b")
            try await hub.saveLogs(.training, [["writer": "c", "number": 0], ["writer": "c", "number": 1]])
            let task = try await hub.createTask(TaskSpec(name: "d", script: "x"))
            let writes: [StoredWrites.Write] = [
                .init(kind: .dataSet, name: "a", sha256: hash),
                .init(kind: .model, name: "b", sha256: SHA256.hex(of: Self.bytes + [1])),
                .init(kind: .log, name: "c", count: 2), .init(kind: .tasks, name: "d"),
            ]
            func sentences() async throws -> [String] {
                try await StoredWrites.check(writes, hub: hub).map(\.sentence)
            }
            #expect(try await sentences() == [])

            // A program that repeated what it had done already.
            try await hub.saveDataSet(.bytes(Self.bytes, as: "x"), name: "a")
            #expect(try await sentences() == ["the data set 'a' is there 2 times instead of 1"])
            try await hub.deleteDataSets(.init(name: "a"))
            #expect(try await sentences() == ["the data set 'a' is there 0 times instead of 1"])
            try await hub.saveDataSet(.bytes([1], as: "x"), name: "a")
            #expect(try await sentences() == ["the data set 'a' reads back as something else"])
            try await hub.deleteDataSets(.init(name: "a"))
            try await hub.saveDataSet(.bytes(Self.bytes, as: "x"), name: "a")

            try await hub.saveLogs(.training, [["writer": "c", "number": 1]])
            try await hub.deleteLogs(.training, Filter(["number": 0]))
            #expect(try await sentences() == ["the log entries 'c' are not those that were saved, each once"])
            try await hub.saveLogs(.training, [["writer": "c", "number": 0]])
            #expect(try await sentences() == ["the log entries 'c' is there 3 times instead of 2"])
            try await hub.deleteLogs(.training, Filter(["number": 1]))
            try await hub.saveLogs(.training, [["writer": "c", "number": 1]])

            try await hub.deleteTasks(.ids([task]))
            #expect(try await sentences() == ["the tasks 'd' is there 0 times instead of 1"])
            _ = try await hub.createTask(TaskSpec(name: "d", script: "x"))
            #expect(try await sentences() == [])

            // The entry of an upload that is over is taken away by the next collection; chunks are told.
            let upload: BSONDocument = [
                "_id": .objectID(ObjectID()), "started": .dateTime(BSONDateTime(millisecondsSince1970: 1)),
                "heartbeat": .dateTime(BSONDateTime(millisecondsSince1970: 1)),
            ]
            let id = upload["_id"] ?? .null
            try await hub.database.collection("modelfs.uploads").insertOne(upload)
            #expect(try await sentences() == [])
            try await hub.database.collection("modelfs.chunks").insertOne(["files_id": id, "n": 0, "data": "x"])
            #expect(try await sentences().count == 1)
            _ = try await hub.collectGarbage(olderThan: .zero)
            #expect(try await sentences() == [])

            // A chunk that is lost, and one of a file that nobody knows.
            let chunks = hub.database.collection("modelfs.chunks")
            #expect(try await chunks.deleteMany(["n": 1]) == 1)
            try await chunks.insertOne(["files_id": .objectID(ObjectID()), "n": 0, "data": "x"])
            let found = try await sentences()
            #expect(found.contains("the model 'b' cannot be read back"), "\(found)")
            #expect(found.contains { $0.hasPrefix("the bucket modelfs has garbage") }, "\(found)")
        }
    }
}
