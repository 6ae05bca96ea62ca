import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// What a later version of this library writes.
@Suite struct NewerVersionTests {
    private func task(_ hub: Hub, v: BSONValue, ready: BSONValue, _ more: BSONDocument = [:]) -> BSONDocument {
        let own: [(String, BSONValue)] = [("v", v), ("ready", ready), ("priority", 9), ("attempt", 0)]
        let rest = more.filter { $0.key != "status" }.map { ($0.key, $0.value) }
        return [
            "_id": .objectID(ObjectID()), "project_name": .string(hub.project), "status": more["status"] ?? "pending",
            "time": .dateTime(BSONDateTime(millisecondsSince1970: 1)), "script": 5, "gpus": ["count": 2],
            "hub": .document(BSONDocument(elements: own + rest)),
        ]
    }

    private func claim(_ hub: Hub, _ count: Int) async throws -> [TaskRecord] {
        try await hub.session(name: "h").claim(count).tasks
    }

    @Test func `A task of a newer version is left as it is, whatever it looks like`() async throws {
        try await withTestHub { hub in
            let past = BSONValue.dateTime(BSONDateTime(millisecondsSince1970: 1))
            let lease: BSONValue = [
                "runner": .objectID(ObjectID()), "token": .objectID(ObjectID()), "expires": past,
            ]
            let newer: [BSONDocument] = [
                task(hub, v: 3, ready: 3), task(hub, v: 3, ready: .double(3.5), ["not_before": past]),
                task(hub, v: 3, ready: true), task(hub, v: 3, ready: "later"), task(hub, v: .int64(3), ready: [:]),
                task(hub, v: .double(2.5), ready: true), task(hub, v: .double(.infinity), ready: true),
                task(hub, v: 3, ready: false, ["not_before": past]), task(hub, v: 3, ready: 3, ["deadline": past]),
                task(hub, v: 3, ready: 3, ["status": "running", "lease": lease]),
                task(hub, v: 3, ready: 3, ["status": "running"]), task(hub, v: 1, ready: 3),
            ]
            for document in newer { try await hub.insertForeignTask(document) }
            let good = try await hub.createTask(TaskSpec(script: "pass"))
            for _ in 0..<2 { _ = try await hub.session().adoptAndPromote() }
            #expect(try await claim(hub, 5).compactMap(\.id) == [good])
            #expect(try await claim(hub, 1).isEmpty)
            #expect(try await hub.session().expiredLeases().isEmpty)
            #expect(try await hub.session().rescue() == 0)
            for _ in 0..<2 { #expect(try await hub.session().rescueUnleased(after: .zero) == 0) }
            #expect(try await hub.prune(Retention(kinds: [.tasks])).isEmpty)
            for document in newer {
                let id = try #require(document["_id"]?.objectIDValue)
                #expect(try await hub.task(id).document == document)
            }
            #expect(try await hub.session().findNewerTask()?.newerVersion != nil)
        }
    }

    @Test func `A version that is ours in other clothes, or no number, is no newer one`() async throws {
        try await withTestHub { hub in
            let odd: [BSONValue] = [
                1, .int64(1), .double(1), 0, -1, .double(.nan), "2", true, nil, [:],
                .dateTime(BSONDateTime(millisecondsSince1970: 9)),
            ]
            for value in odd {
                var document = AdoptTests.original
                document.append("hub", ["v": value])
                try await hub.insertForeignTask(document)
            }
            #expect(try await hub.session().adoptAndPromote() == odd.count)
            #expect(try await claim(hub, 100).count == odd.count)
        }
    }

    @Test func `What could break a newer task is refused with a sentence; it can be cancelled and deleted`()
        async throws
    {
        try await withTestHub { hub in
            for _ in 0..<2 { try await hub.insertForeignTask(task(hub, v: 3, ready: 3)) }
            try await hub.insertForeignTask(task(hub, v: 3, ready: 3, ["status": "failed"]))
            _ = try await hub.createTask(TaskSpec(script: "pass"))
            let before = try await hub.findTasks("hub.v" == 3)
            await #expect {
                try await hub.holdTasks(.all)
            } throws: {
                "\($0)".contains("2 of the tasks need a newer version") && "\($0)".contains("the other 1 were changed")
            }
            await #expect { try await hub.retryTasks(.all) } throws: { "\($0)".contains("1 of the tasks") }
            #expect(try await hub.findTasks("hub.v" == 3) == before)
            #expect(try await hub.cancelTasks(.all) == 3)
            #expect(try await hub.deleteTasks(.all) == 4)
        }
    }

    @Test func `Why says that a task needs a newer runner`() async throws {
        try await withTestHub { hub in
            let document = task(hub, v: 3, ready: .double(3.5))
            try await hub.insertForeignTask(document)
            let explanation = try await hub.explain(try #require(document["_id"]?.objectIDValue))
            guard case .pending(let waiting) = explanation.situation else {
                Issue.record("\(explanation)")
                return
            }
            #expect(waiting.obstacles == [.newerVersion(3), .noRunner])
        }
    }

    @Test func `Retention leaves data sets and models of newer versions`() async throws {
        try await withTestHub { hub in
            for (name, field) in [("Dataset", "dataset_name"), ("Model", "model_name")] {
                _ = try await hub.database.collection(name).insertOne([
                    field: "x", "project_name": .string(hub.project),
                    "time": .dateTime(BSONDateTime(millisecondsSince1970: 1)), "hub": ["v": 3, "version": 1],
                ])
            }
            #expect(try await hub.prune(Retention(kinds: [.models, .dataSets])).isEmpty)
        }
    }

    @Test func `Files that nothing else refers to stay while there are documents of newer versions`() async throws {
        try await withTestHub { hub in
            _ = try await hub.saveDataSet(.bytes([1, 2, 3], as: "a"), name: "x")
            let sets = hub.database.collection("Dataset")
            let files = hub.database.collection("datasetFilesystem.files")
            let saved = try #require(try await sets.findOne())
            let newer: BSONDocument = [
                "_id": saved["_id"] ?? .null, "dataset_name": "x", "project_name": .string(hub.project),
                "time": saved["time"] ?? .null, "hub": ["v": 3, "version": 1],
            ]
            try await sets.replaceOne(["_id": newer["_id"] ?? .null], newer)
            let reports = try await hub.collectGarbage(olderThan: .zero)
            #expect(reports.contains { $0.hasNewerDocuments } && reports.allSatisfy { $0.unreferenced.isEmpty })
            #expect(try await files.countDocuments([:]) == 1)
            try await sets.deleteOne(["_id": newer["_id"] ?? .null])
            let isGone = try await eventually {
                _ = try await hub.collectGarbage(olderThan: .zero)
                return try await files.countDocuments([:]) == 0
            }
            #expect(isGone)
        }
    }
}
