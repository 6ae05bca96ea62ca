import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct IndexTests {
    private func insertVersion(_ hub: Hub, _ version: Int32) async throws -> BSONValue {
        try await hub.database.collection("Dataset").insertOne([
            "project_name": .string(hub.project), "dataset_name": "digits", "hub": ["version": .int32(version)],
        ])
    }

    @Test func `What serves speed alone is not waited for`() async throws {
        try await withFailingHub { hub, failing in
            try await hub.database.collection("TrainLog").insertOne([
                "project_name": .string(hub.project), "time": .dateTime(try await hub.serverTime()), "loss": 1,
            ])
            // As the end of a call's time looks while the server builds an index of a large log.
            try await failing(["failCommands": ["createIndexes"], "closeConnection": true], nil) {
                #expect(try await hub.logs(.training).count == 1)
                try await hub.saveLog(.training, ["loss": 2])
                #expect(try await hub.countLogs(.training) == 2)
                let id = try await hub.createTask(TaskSpec(script: "pass"))
                #expect(try await hub.task(id).status == .pending)
                // A version must be given once.
                let error = await #expect(throws: HubError.self) {
                    try await hub.saveDataSet(.bytes([1], as: "f"), name: "digits")
                }
                #expect(error?.isTransient == true)
            }
            #expect(try await hub.saveDataSet(.bytes([1], as: "f"), name: "digits").version == 1)
        }
    }

    @Test func `Without the index that makes versions unique nothing is saved, but all is read and deleted`()
        async throws
    {
        try await withTestHub { hub in
            for _ in 1...2 { _ = try await insertVersion(hub, 7) }
            let error = await #expect(throws: HubError.self) {
                try await hub.saveDataSet(.bytes([1], as: "f"), name: "digits")
            }
            #expect(error?.message.contains("unique index 'version' of collection Dataset") == true)
            #expect(try await hub.findDataSets().count == 2)
            #expect(try await hub.deleteDataSets(ContentQuery(name: "digits")) == 2)
            #expect(try await hub.saveDataSet(.bytes([1], as: "f"), name: "digits").version == 1)
        }
    }

    @Test func `The same unique index under another name is as good`() async throws {
        try await withTestHub { hub in
            try await hub.database.runCommand([
                "createIndexes": "Dataset",
                "indexes": [
                    [
                        "name": "mine", "unique": true,
                        "key": ["project_name": 1, "dataset_name": .double(1), "hub.version": .int64(-1)],
                        "partialFilterExpression": ["hub.version": ["$exists": true]],
                    ]
                ],
            ])
            #expect(try await hub.saveDataSet(.bytes([1], as: "f"), name: "digits").version == 1)
        }
    }
}
