import BSON
import MongoDriver
import TestSupport
import Testing

@Suite struct ErrorTests {
    /// Lends a client whose application name the fail point can pick out, and a second one that sets the fail point.
    private func withFailingClient(
        _ data: BSONDocument,
        times: Int? = 1,
        skipping: Int = 0,
        _ body: (MongoCollection) async throws -> Void
    ) async throws {
        var options = MongoClient.Options()
        options.applicationName = "errors-\(UInt64.random(in: 0 ... .max))"
        try await withTestDatabase { admin, name in
            let client = try MongoClient(uri: try await TestMongo.shared(), options: options)
            let tasks = client.database(name).collection("Task")
            try await tasks.insertMany([["_id": 1, "n": 0], ["_id": 2, "n": 0]])
            try await withFailCommand(
                data,
                applicationName: options.applicationName,
                times: times,
                skipping: skipping,
                client: admin
            ) {
                try await body(tasks)
            }
            await client.close()
        }
    }

    @Test func `A duplicate key names its statement, and the rest of an unordered insert is done`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertOne(["_id": 1])
            let single = await failure { try await tasks.insertOne(["_id": 1]) }
            #expect(single?.code == .duplicateKey)
            #expect(single?.serverCode == 11000)
            #expect(single?.isRetryable == false)
            let many = await failure {
                try await tasks.insertMany([["_id": 5], ["_id": 1], ["_id": 6], ["_id": 1]], ordered: false)
            }
            #expect(many?.code == .duplicateKey)
            #expect(many?.writeErrors.map(\.index) == [1, 3])
            #expect(many?.reply["nInserted"]?.intValue == 2)
            let ordered = await failure { try await tasks.insertMany([["_id": 7], ["_id": 1], ["_id": 8]]) }
            #expect(ordered?.writeErrors.map(\.index) == [1])
            #expect(try await tasks.countDocuments() == 4)
        }
    }

    @Test func `A duplicate key is reported as such by updates and by what finds and modifies`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.createIndexes([IndexModel(name: "token", keys: ["token": 1], unique: true)])
            try await tasks.insertMany([["_id": 1, "token": "a"], ["_id": 2, "token": "b"]])
            let update = MongoUpdate.document(["$set": ["token": "a"]])
            let claimed = await failure { _ = try await tasks.findAndModify(["_id": 2], update) }
            #expect(claimed?.code == .duplicateKey)
            let error = await failure { try await tasks.updateOne(["_id": 2], update) }
            #expect(error?.code == .duplicateKey)
            #expect(error?.writeErrors.map(\.index) == [0])
        }
    }

    @Test func `An unknown command has the server's code, its name and a sentence`() async throws {
        try await withTestDatabase { client, name in
            let error = await failure { try await client.database(name).runCommand(["nonsense": 1]) }
            #expect(error?.code == .server)
            #expect(error?.serverCode == 59)
            #expect(error?.codeName == "CommandNotFound")
            #expect(
                error?.description
                    == "MongoDB (server): no such command: 'nonsense' (CommandNotFound, 59)"
            )
            let run = await failure { try await client.database(name).runCommand([:]) }
            #expect(run?.code == .invalidInput)
        }
    }

    @Test func `Updates that cannot be are refused before anything is sent`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertOne(["_id": 1, "n": 1])
            for update in [MongoUpdate.document([:]), .document(["n": 2]), .pipeline([])] {
                let updated = await failure { try await tasks.updateOne([:], update) }
                #expect(updated?.code == .invalidInput)
            }
            #expect(try await tasks.findOne() == ["_id": 1, "n": 1])
        }
    }

    @Test(arguments: ["", "a\0b", "a$b"])
    func `Names that cannot be are refused before anything is sent`(name: String) async throws {
        try await withTestDatabase { client, database in
            let tasks = client.database(database).collection(name)
            let inserted = await failure { try await tasks.insertOne([:]) }
            #expect(inserted?.code == .invalidInput)
            let found = await failure { _ = try await tasks.findOne() }
            #expect(found?.code == .invalidInput)
            let iterated = await failure { for try await _ in tasks.find() {} }
            #expect(iterated?.code == .invalidInput)
            let watched = await failure { try await tasks.watch().open() }
            #expect(watched?.code == .invalidInput)
            let dropped = await failure { try await client.database(name).drop() }
            #expect(dropped?.code == .invalidInput)
        }
    }

    @Test func `A write goes through although the connection breaks once`() async throws {
        let breaking: BSONDocument = [
            "failCommands": ["insert", "update", "findAndModify", "delete"], "closeConnection": true,
        ]
        try await withFailingClient(breaking) { tasks in
            try await tasks.insertOne(["_id": 9])
            #expect(try await tasks.countDocuments(["_id": 9]) == 1)
        }
        try await withFailingClient(breaking) { tasks in
            let result = try await tasks.findAndModify(["_id": 1], .document(["$inc": ["n": 1]]))
            #expect(result?["n"] == 1)
        }
        try await withFailingClient(breaking) { tasks in
            try await tasks.updateOne(["_id": 1], .document(["$inc": ["n": 1]]))
            #expect(try await tasks.findOne(["_id": 1])?["n"] == 1)
        }
        try await withFailingClient(breaking) { tasks in
            let result = try await tasks.bulkUpdate([
                UpdateStatement(filter: ["_id": 1], update: .document(["$inc": ["n": 1]])),
                UpdateStatement(filter: ["_id": 2], update: .document(["$inc": ["n": 1]])),
            ])
            #expect(result.modified == 2)
        }
        try await withFailingClient(breaking) { tasks in
            let outcome = try await tasks.deleteOne(["_id": 1])
            #expect(outcome == 1)
        }
    }

    @Test func `A read goes through although the connection breaks once`() async throws {
        let breaking: BSONDocument = ["failCommands": ["find", "aggregate", "distinct"], "closeConnection": true]
        try await withFailingClient(breaking) { tasks in
            let outcome = try await tasks.findAll().count
            #expect(outcome == 2)
        }
        try await withFailingClient(breaking) { tasks in
            let outcome = try await tasks.countDocuments()
            #expect(outcome == 2)
        }
        try await withFailingClient(breaking) { tasks in
            let outcome = try await tasks.distinct("_id").count
            #expect(outcome == 2)
        }
    }

    @Test func `A connection that breaks under an updateMany leaves the outcome unknown`() async throws {
        try await withFailingClient(["failCommands": ["update"], "closeConnection": true]) { tasks in
            let error = await failure { try await tasks.updateMany([:], .document(["$inc": ["n": 1]])) }
            #expect(error?.code == .network)
            #expect(error?.isOutcomeUnknown == true)
            #expect(error?.isRetryable == true)
            let outcome = try await tasks.countDocuments()
            #expect(outcome == 2)
        }
    }

    @Test func `A connection that breaks twice leaves the outcome of a retryable write unknown`() async throws {
        let breaking: BSONDocument = ["failCommands": ["findAndModify", "insert"], "closeConnection": true]
        try await withFailingClient(breaking, times: 2) { tasks in
            let error = await failure { _ = try await tasks.findAndModify([:], .document(["$inc": ["n": 1]])) }
            #expect(error?.code == .network)
            #expect(error?.isOutcomeUnknown == true)
        }
        try await withFailingClient(breaking, times: 2) { tasks in
            let inserted = await failure { try await tasks.insertOne([:]) }
            #expect(inserted?.code == .network)
        }
    }

    @Test func `A write concern that is not met leaves the outcome unknown, though the write is there`() async throws {
        let data: BSONDocument = [
            "failCommands": ["insert", "update", "findAndModify", "delete"],
            "writeConcernError": ["code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"],
        ]
        try await withFailingClient(data, times: nil) { tasks in
            var errors: [MongoError?] = []
            errors.append(await failure { try await tasks.insertOne(["_id": 3]) })
            errors.append(await failure { try await tasks.updateOne(["_id": 3], .document(["$set": ["n": 1]])) })
            errors.append(
                await failure { _ = try await tasks.findAndModify(["_id": 3], .document(["$set": ["n": 2]])) }
            )
            errors.append(
                await failure {
                    _ = try await tasks.bulkUpdate([
                        UpdateStatement(filter: ["_id": 3], update: .document(["$set": ["n": 3]]))
                    ])
                }
            )
            for error in errors {
                #expect(error?.code == .writeConcern)
                #expect(error?.isOutcomeUnknown == true)
                #expect(error?.serverCode == 64)
            }
            let outcome = try await tasks.findOne(["_id": 3])?["n"]
            #expect(outcome == 3)
        }
    }

    @Test func `Refused statements hide no write concern that was not met`() async throws {
        let data: BSONDocument = [
            "failCommands": ["insert", "update"],
            "writeConcernError": ["code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out"],
        ]
        try await withFailingClient(data, times: nil) { tasks in
            let (one, two): (BSONDocument, BSONDocument) = (["_id": 1], ["_id": 2])
            var errors = [await failure { try await tasks.insertOne(one) }]
            errors.append(await failure { try await tasks.insertMany([one, ["_id": 3], two], ordered: false) })
            errors.append(await failure { try await tasks.insertMany([one, ["_id": ["$a": 1]]], ordered: false) })
            errors.append(
                await failure {
                    _ = try await tasks.bulkUpdate([
                        UpdateStatement(filter: one, update: .document(["$set": ["n": 1]])),
                        UpdateStatement(filter: two, update: .document(["$set": ["_id": 3]])),
                    ])
                }
            )
            for error in errors {
                #expect(error?.code == .writeConcern)
                #expect(error?.isOutcomeUnknown == true)
                #expect(error?.serverCode == 64)
            }
            #expect(errors.map { $0?.writeErrors.count } == [1, 2, 2, 1])
        }
    }

    @Test func `Statements that were refused for several reasons are no duplicates`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertOne(["_id": 1])
            let error = await failure {
                try await tasks.insertMany([["_id": 1], ["_id": ["$a": 1]]], ordered: false)
            }
            #expect(error?.code == .write)
            #expect(error?.writeErrors.count == 2)
        }
    }

    @Test func `A connection that breaks after statements were refused leaves the outcome unknown`() async throws {
        let breaking: BSONDocument = ["failCommands": ["insert", "update"], "closeConnection": true]
        // One more than a message holds.
        let ids = (0...100_000).map { BSONValue.int32(10 + $0) }
        try await withFailingClient(breaking, skipping: 1) { tasks in
            let error = await failure {
                try await tasks.insertMany([["_id": 1]] + ids.dropFirst().map { ["_id": $0] }, ordered: false)
            }
            #expect(error?.code == .network)
            #expect(error?.writeErrors.count == 1)
        }
        try await withFailingClient(breaking, skipping: 1) { tasks in
            let set = MongoUpdate.document(["$set": ["n": 1]])
            let refused = UpdateStatement(filter: ["_id": 1], update: .document(["$set": ["_id": 3]]))
            let error = await failure {
                _ = try await tasks.bulkUpdate(
                    [refused] + ids.dropFirst().map { UpdateStatement(filter: ["_id": $0], update: set) }
                )
            }
            #expect(error?.code == .network)
            #expect(error?.writeErrors.count == 1)
        }
    }

    @Test func `A server code and its labels come through`() async throws {
        let data: BSONDocument = ["failCommands": ["findAndModify", "find", "insert"], "errorCode": 11601]
        try await withFailingClient(data, times: nil) { tasks in
            let error = await failure { _ = try await tasks.findAndModify([:], .document(["$inc": ["n": 1]])) }
            #expect(error?.code == .server)
            #expect(error?.serverCode == 11601)
            #expect(error?.codeName == "Interrupted")
            let found = await failure { _ = try await tasks.findOne() }
            #expect(found?.serverCode == 11601)
            let inserted = await failure { try await tasks.insertOne([:]) }
            #expect(inserted?.serverCode == 11601)
        }
        let stepDown: BSONDocument = [
            "failCommands": ["update"], "errorCode": 11602, "errorLabels": ["RetryableWriteError"],
        ]
        try await withFailingClient(stepDown, times: nil) { tasks in
            let error = await failure { try await tasks.updateOne([:], .document(["$inc": ["n": 1]])) }
            #expect(error?.serverCode == 11602)
            #expect(error?.labels.contains("RetryableWriteError") == true)
            #expect(error?.isRetryable == true)
            #expect(error?.isOutcomeUnknown == true)
        }
    }

    @Test(.timeLimit(.minutes(30)))
    func `With nobody listening a call fails, and says where it looked`() async throws {
        let port = try freeLoopbackPort()
        var options = MongoClient.Options()
        options.serverSelectionTimeout = .milliseconds(200)
        let client = try MongoClient(uri: "mongodb://127.0.0.1:\(port)/", options: options)
        let tasks = client.database("test").collection("Task")
        var errors: [MongoError?] = []
        errors.append(await failure { try await tasks.insertOne([:]) })
        errors.append(await failure { _ = try await tasks.findAll() })
        errors.append(await failure { try await client.database("test").runCommand(["ping": 1]) })
        errors.append(await failure { try await tasks.watch().open() })
        for error in errors {
            #expect(error?.code == .unreachable)
            #expect(error?.message.contains("127.0.0.1:\(port)") == true)
            #expect(error?.isRetryable == true)
            #expect(error?.isOutcomeUnknown == false)
        }
        await client.close()
    }

    @Test func `A wrong password is an error of authentication`() async throws {
        let uri = try await TestMongo.shared().split(separator: "//", maxSplits: 1)[1]
        let client = try MongoClient(uri: "mongodb://nobody:secret-word@\(uri)")
        let error = await failure { try await client.database("test").runCommand(["count": "x"]) }
        #expect(error?.code == .authentication)
        #expect("\(String(describing: error))".contains("secret-word") == false)
        await client.close()
    }
}
