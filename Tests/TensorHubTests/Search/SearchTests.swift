import BSON
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Looking through data sets, models and tasks at once.
@Suite struct SearchTests {
    private func insert(_ hub: Hub, _ collection: String, _ time: Int64, _ extra: BSONDocument) async throws {
        var document: BSONDocument = [
            "_id": .objectID(ObjectID()), "project_name": .string(hub.project),
            "time": .dateTime(BSONDateTime(millisecondsSince1970: time)),
        ]
        for (key, value) in extra { document[key] = value }
        _ = try await hub.database.collection(collection).insertMany([document])
    }

    private func fill(_ hub: Hub) async throws {
        try await insert(hub, "Dataset", 1, ["dataset_name": "mnist", "hub": ["files": [["path": "secret"]]]])
        try await insert(hub, "Task", 2, ["task_name": "mnist", "status": "failed", "script": "print"])
        try await insert(hub, "Model", 3, ["model_name": "mlp", "description": "made of MNIST", "accuracy": 0.9])
        try await insert(hub, "Task", 4, ["task_name": "x", "status": "failed", "result": ["accuracy": 0.95]])
        try await insert(hub, "Task", 5, ["task_name": "mnist", "project_name": "other"])
    }

    private func times(_ findings: Findings) -> [Int64?] { findings.found.map { $0.time?.millisecondsSince1970 } }

    @Test func `The newest come first whatever their kind, without scripts and files, up to the limit`() async throws {
        try await withTestHub { hub in
            try await fill(hub)
            let all = try await hub.find(ShortFilter("mnist"))
            #expect(times(all) == [3, 2, 1] && !all.hasMore && !all.isCut)
            #expect(all.found.map(\.kind) == [.model, .task, .dataSet])
            #expect(all.found[1].document["script"] == nil)
            #expect(all.found[2].document.value(atPath: "hub.files") == nil)
            let some = try await hub.find(ShortFilter("mnist"), limit: 2)
            #expect(times(some) == [3, 2] && some.hasMore)
            #expect(try await times(hub.find(ShortFilter("accuracy>0.8"))) == [4, 3])
            #expect(try await hub.find(ShortFilter("nowhere")).found.isEmpty)
            await #expect(throws: HubError.self) { try await hub.find(ShortFilter("mnist"), limit: 0) }
        }
    }

    @Test func `A condition leaves out what it cannot be about, and one that nothing can meet is an error`()
        async throws
    {
        try await withTestHub { hub in
            try await fill(hub)
            #expect(try await times(hub.find(ShortFilter("mnist state:failed"))) == [2])
            #expect(try await times(hub.find(ShortFilter("result.accuracy>0"))) == [4])
            #expect(try await times(hub.find(ShortFilter("architecture.x=null"))) == [3])
            #expect(try await times(hub.find(ShortFilter("name:mnist"))) == [2, 1])
            let error = await #expect(throws: HubError.self) {
                try await hub.find(ShortFilter("state:failed architecture.x=1", field: "words"))
            }
            #expect(error?.field == "words" && error?.message.contains("neither tasks nor data sets") == true)
        }
    }

    @Test func `Many tasks are gone through in pieces, from the newest on`() async throws {
        try await withTestHub { hub in
            try await fill(hub)
            for piece in 1...3 {
                let all = try await hub.find(ShortFilter("mnist"), limit: 9, within: .seconds(60), atOnce: piece)
                #expect(times(all) == [3, 2, 1] && !all.isCut, "\(piece)")
                let one = try await hub.find(ShortFilter("state:failed"), limit: 1, within: .zero, atOnce: piece)
                #expect(one.found.count <= 1 && one.isCut == one.found.isEmpty, "\(piece)")
            }
            let first = try await hub.find(ShortFilter("mnist"), limit: 9, within: .zero, atOnce: 1)
            #expect(times(first) == [3, 1] && first.isCut)
        }
    }

    @Test func `A search whose time is over says so, and keeps what it has`() async throws {
        try await withFailingHub { hub, failing in
            try await fill(hub)
            // Data sets and models are answered, the tasks are not.
            try await failing(["failCommands": ["aggregate"], "errorCode": 50], nil) {
                let some = try await hub.find(ShortFilter("mnist"), within: .seconds(60))
                #expect(times(some) == [3, 1] && some.isCut)
            }
        }
    }
}
