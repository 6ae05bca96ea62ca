import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// 200,000 tasks, 20,000 data sets and models.
@Suite struct SearchScaleTests {
    private func fill(_ hub: Hub) async throws {
        let fast = WriteConcern(.members(1))
        for batch in 0..<20 {
            let tasks = (0..<10_000).map { index -> BSONDocument in
                let n = batch * 10_000 + index
                return [
                    "_id": .objectID(ObjectID()), "description": .string("run number \(n) of the sweep"),
                    "owner": "ann", "task_name": .string("sweep-\(n % 100)"), "project_name": .string(hub.project),
                    "time": .dateTime(BSONDateTime(millisecondsSince1970: Int64(n))),
                    "hyper_parameters": ["lr": .double(Double(n) / 1e6), "layers": 3, "optimizer": "adam"],
                    "saved_result_keys": ["accuracy"], "status": n % 7 == 0 ? "failed" : "finished",
                    "script": .binary(BSONBinary(bytes: Array(repeating: 32, count: 1500))),
                    "result": ["accuracy": .double(Double(n % 1000) / 1000)],
                    "hub": [
                        "v": 1, "ready": false, "priority": 0, "attempt": 1, "max_failures": 3,
                        "history": [["attempt": 1, "host": "gpu-1", "cause": "finished"]],
                    ],
                ]
            }
            _ = try await hub.database.collection("Task").with(fast).insertMany(tasks, ordered: false)
        }
        for (name, field) in [("Dataset", "dataset_name"), ("Model", "model_name")] {
            let documents = (0..<10_000).map { n -> BSONDocument in
                [
                    field: .string("content-\(n % 50)"), "project_name": .string(hub.project),
                    "description": .string("number \(n)"), "accuracy": .double(Double(n) / 1e4),
                    "time": .dateTime(BSONDateTime(millisecondsSince1970: Int64(n))),
                    "hub": ["version": .int32(Int32(n))],
                ]
            }
            _ = try await hub.database.collection(name).with(fast).insertMany(documents, ordered: false)
        }
    }

    @Test(.timeLimit(.minutes(30)))
    func `Among 200,000 tasks and 20,000 documents the newest are found in time`()
        async throws
    {
        try await withTestHub { hub in
            try await hub.ensureIndexes()
            try await hub.ensureIndexes(ContentIndexes.dataSets, of: hub.collection(.dataSets), mustBeUnique: false)
            try await hub.ensureIndexes(ContentIndexes.models, of: hub.collection(.models), mustBeUnique: false)
            try await fill(hub)
            for (words, isThere) in [
                ("sweep", true), ("accuracy>0.5", true), ("\"number 199999 \"", true),
                ("state:failed name:sweep-7", true),
                ("nothing-has-that", false), ("nothing has that", false), ("host:gpu-9 lr<0.1", false),
            ] {
                let clock = ContinuousClock()
                let start = clock.now
                let found = try await hub.find(ShortFilter(words))
                let taken = start.duration(to: clock.now)
                #expect(!found.found.isEmpty == isThere, "\(words)")
                // On a busy machine each of the first statements may take its second.
                #expect(taken < .seconds(6), "\(words): \(taken)")
            }
            // With time enough everything is looked at: the oldest too.
            let all = try await hub.find(ShortFilter("\"number 3 of\""), within: .seconds(60))
            #expect(all.found.count == 1 && !all.isCut)
            let tasks = try await hub.find(ShortFilter("sweep"), limit: 5, within: .seconds(60))
            #expect(
                tasks.found.compactMap { $0.time?.millisecondsSince1970 } == [
                    199_999, 199_998, 199_997, 199_996, 199_995,
                ]
            )
        }
    }
}
