import BSON
import Glibc
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Calls of a hub with patience, on a server that fails some of their statements.
@Suite struct PatienceTests {
    private static let patience = Patience(.seconds(20))

    @Test func `A log that is cut off while it is read goes on, and each entry comes once and in order`() async throws {
        try await withFailingHub(patience: Self.patience) { hub, failing in
            try await hub.saveLogs(.training, (0..<1000).map { ["n": .int32($0), "x": .int32($0 % 7)] })
            for sort in [nil, Sort.newest, Sort.ascending("x"), Sort.descending("x")] {
                let whole = try await hub.logs(.training, sort: sort).compactMap { $0.document["n"]?.intValue }
                var seen: [Int] = []
                // Both tries of libmongoc's own, and a few more.
                try await failing(["failCommands": ["getMore"], "closeConnection": true], 5) {
                    try await hub.forEachLog(.training, sort: sort) { seen.append($0.document["n"]?.intValue ?? -1) }
                }
                #expect(seen == whole && seen.count == 1000)
                seen = []
                try await failing(["failCommands": ["getMore"], "closeConnection": true], 3) {
                    try await hub.forEachLog(.training, sort: sort, limit: 900) {
                        seen.append($0.document["n"]?.intValue ?? -1)
                    }
                }
                #expect(seen == Array(whole.prefix(900)))
            }
        }
    }

    @Test func `Tasks whose answer was lost are there once, with the identifiers that are returned`() async throws {
        try await withFailingHub(patience: Self.patience) { hub, failing in
            for errors: BSONDocument in [
                ["failCommands": ["insert"], "closeConnection": true],
                [
                    "failCommands": ["insert"],
                    "writeConcernError": ["code": 11602, "errmsg": "stepping down", "codeName": "Interrupted"],
                ],
            ] {
                let name = "n\(ObjectID())"
                try await failing(errors, 3) {
                    let specs = (0..<20).map { _ in TaskSpec(name: name, script: "#!/bin/true") }
                    let ids = try await hub.createTasks(specs)
                    #expect(Set(try await hub.findTasks(.named(name)).compactMap(\.id)) == Set(ids))
                }
            }
        }
    }

    @Test func `A change whose answer was lost is made, counted, and not made twice`() async throws {
        try await withFailingHub(patience: Self.patience) { hub, failing in
            let lost: BSONDocument = [
                "failCommands": ["update"],
                "writeConcernError": ["code": 11602, "errmsg": "stepping down", "codeName": "Interrupted"],
            ]
            _ = try await hub.createTasks((0..<7).map { _ in TaskSpec(name: "a", script: "#!/bin/true") })
            try await failing(lost, 2) {
                let count = try await hub.cancelTasks(.named("a"))
                #expect(count == 7)
            }
            try await failing(lost, 2) {
                let count = try await hub.retryTasks(.named("a"))
                #expect(count == 7)
            }
            let gone: BSONDocument = [
                "failCommands": ["delete"],
                "writeConcernError": ["code": 11602, "errmsg": "stepping down", "codeName": "Interrupted"],
            ]
            try await failing(gone, 2) {
                let count = try await hub.deleteTasks(.named("a"))
                #expect(count == 7)
            }
        }
    }

    @Test func `A stage whose answer was lost is in the history once`() async throws {
        try await withFailingHub(patience: Self.patience) { hub, failing in
            _ = try await hub.saveModel(.bytes([1], as: "w"), name: "m")
            let lost: BSONDocument = [
                "failCommands": ["findAndModify"],
                "writeConcernError": ["code": 11602, "errmsg": "stepping down", "codeName": "Interrupted"],
            ]
            try await failing(lost, 2) { try await hub.setStage("production", of: ContentQuery(name: "m"), by: "me") }
            let stage = try await hub.database.collection("ModelStage").findOne(["_id.name": "m"])
            #expect(stage?["history"]?.arrayValue?.count == 1)
        }
    }

    @Test func `Chunks that a change of the primary has taken back are sent again`() async throws {
        try await withFailingHub(patience: Self.patience) { hub, failing in
            try await withTemporaryDirectory { folder in
                let content = (0..<(30 << 20)).map { UInt8(truncatingIfNeeded: $0 / 1000) }
                let path = "\(folder)/data"
                let file = try #require(fopen(path, "w"))
                fwrite(content, 1, content.count, file)
                fclose(file)
                let chunks = hub.database.collection("datasetFilesystem.chunks")
                let slow: BSONDocument = ["failCommands": ["insert"], "blockConnection": true, "blockTimeMS": 200]
                try await failing(slow, nil) {
                    async let saved = hub.saveDataSet(.file(path), name: "a")
                    let hasBegun = try await eventually { try await chunks.countDocuments(limit: 12) >= 12 }
                    #expect(hasBegun)
                    // As a rollback would: some of what was answered, and the entry in the list of uploads.
                    try await chunks.deleteMany(["n": ["$in": [0, 3, 4]]])
                    try await hub.database.collection("datasetFilesystem.uploads").deleteMany(["saving": ["$ne": true]])
                    _ = try await saved
                }
                _ = try await hub.download(try await hub.findDataSet(ContentQuery(name: "a")), to: "\(folder)/back")
            }
        }
    }

    @Test func `Tasks that are claimed while others are deleted do not keep those behind them`() async throws {
        try await withFailingHub { hub, failing in
            let ids = try await hub.createTasks((0..<2500).map { _ in TaskSpec(name: "a", script: "#!/bin/true") })
            let other = hub.client.database(hub.database.name).collection("Task")
            let first = ids.sorted().prefix(1000).map(BSONValue.objectID)
            let delay: BSONDocument = ["failCommands": ["delete"], "blockConnection": true, "blockTimeMS": 1500]
            try await failing(delay, 1) {
                async let deleted = hub.deleteTasks(.named("a"))
                try await Task.sleep(for: .milliseconds(500))
                try await other.updateMany(["_id": ["$in": .array(first)]], .document(["$set": ["status": "running"]]))
                let count = try await deleted
                #expect(count == 1500)
            }
            #expect(try await hub.countTasks(.named("a")) == [.running: 1000])
        }
    }

    @Test func `A reader does not wait for an index that takes long to build`() async throws {
        try await withFailingHub { hub, failing in
            let entries = hub.database.collection("TrainLog")
            _ = try await entries.insertMany((0..<10).map { ["project_name": .string(hub.project), "n": .int32($0)] })
            let slow: BSONDocument = ["failCommands": ["createIndexes"], "blockConnection": true, "blockTimeMS": 9000]
            try await failing(slow, nil) {
                let start = ContinuousClock.now
                let count = try await hub.countLogs(.training)
                #expect(count == 10)
                #expect(start.duration(to: .now) < .seconds(5))
            }
            #expect(try await eventually { try await entries.listIndexes().count == 3 })
        }
    }

    @Test func `Nobody waits long where nothing ever answered`() async throws {
        let port = try freeLoopbackPort()
        var options = MongoClient.Options()
        options.serverSelectionTimeout = .milliseconds(500)
        // Far longer than any machine is busy.
        let patience = Patience(.seconds(3600))
        let start = ContinuousClock.now
        let error = await #expect(throws: HubError.self) {
            try await Hub.connect(
                uri: "mongodb://127.0.0.1:\(port)/?replicaSet=rs0",
                options: options,
                patience: patience
            )
        }
        #expect(error?.code == .unreachable)
        #expect(start.duration(to: .now) < .seconds(600))
    }

    @Test func `Of many updates that are cut short it is known which were answered`() async throws {
        try await withTestDatabase { admin, name in
            let application = "bulk-\(UInt64.random(in: 0 ... .max))"
            var options = MongoClient.Options()
            options.applicationName = application
            let base = try await TestMongo.uri(database: name)
            let uri = base + (base.contains("?") ? "&" : "?") + "retryWrites=false"
            let client = try MongoClient(uri: uri, options: options)
            let target = client.database(name).collection("c")
            try await target.insertMany((0..<40).map { ["_id": .int32($0), "n": 0] })
            // The first statement is refused; each message holds less than 24 MiB, so there are two.
            let filler = BSONValue.binary(BSONBinary(bytes: [UInt8](repeating: 0, count: 1 << 20)))
            let statements = (0..<40).map { index in
                UpdateStatement(
                    filter: ["_id": .int32(Int32(index))],
                    update: .document(index == 0 ? ["$set": ["_id": 99]] : ["$set": ["x": filler]])
                )
            }
            try await withFailCommand(
                ["failCommands": ["update"], "closeConnection": true],
                applicationName: application,
                times: nil,
                skipping: 1,
                client: admin
            ) {
                do {
                    _ = try await target.bulkUpdate(statements)
                    Issue.record("it says that all is done")
                } catch let error as MongoError {
                    #expect(error.code == .network)
                    #expect(error.writeErrors.map(\.index) == [0])
                    let unanswered = try #require(error.unanswered)
                    #expect(unanswered.upperBound == 40 && unanswered.lowerBound > 1)
                    let done = try await target.countDocuments(["x": ["$exists": true]])
                    #expect(done == unanswered.lowerBound - 1)
                }
            }
            await client.close()
        }
    }
}
