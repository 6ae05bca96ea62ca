import BSON
import TestSupport
import Testing

@testable import MongoDriver

@Suite(.timeLimit(.minutes(30)))
struct RightsTests {
    /// What only the server's own words of a refusal hold.
    static let secrets = ["clusterTime", "signature", "keyId", "lsid", "hidden-value"]

    private func expect(_ sentence: String, _ body: () async throws -> Void) async {
        let error = await failure(of: body)
        #expect(error?.code == .forbidden, "\(String(describing: error))")
        #expect(error.map { "\($0)" } == sentence)
        var text = ""
        dump(error, to: &text)
        for secret in Self.secrets { #expect(!text.contains(secret), "\(text)") }
    }

    @Test func `Whoever may not do something is told in one sentence who may not do what, whatever the call`()
        async throws
    {
        try await withGuardedDatabase { guarded in
            try await guarded.createUser("gpu1", "p", rights: ["Open": ["find"]])
            let client = try MongoClient(uri: guarded.uri("gpu1", "p"))
            let database = client.database(guarded.name)
            let task = database.collection("Task")
            let value: BSONDocument = ["_id": 1, "x": "hidden-value"]
            let set = MongoUpdate.document(["$set": ["x": "hidden-value"]])
            #expect(try await database.collection("Open").findAll().isEmpty)

            await expect("MongoDB user gpu1 may not insert into Task") { try await task.insertOne(value) }
            await expect("MongoDB user gpu1 may not insert into Task") {
                try await task.insertMany([value, value], ordered: false)
            }
            await expect("MongoDB user gpu1 may not update Task") { try await task.updateOne(["_id": 1], set) }
            await expect("MongoDB user gpu1 may not update Task") { try await task.updateMany([:], set, upsert: true) }
            await expect("MongoDB user gpu1 may not update Task") { try await task.replaceOne(["_id": 1], value) }
            await expect("MongoDB user gpu1 may not update Task") {
                _ = try await task.bulkUpdate([UpdateStatement(filter: value, update: set, multi: true)])
            }
            await expect("MongoDB user gpu1 may not update Task") { _ = try await task.findAndModify(value, set) }
            await expect("MongoDB user gpu1 may not delete from Task") { _ = try await task.findOneAndDelete(value) }
            await expect("MongoDB user gpu1 may not delete from Task") { try await task.deleteOne(value) }
            await expect("MongoDB user gpu1 may not delete from Task") { try await task.deleteMany(value) }
            await expect("MongoDB user gpu1 may not read Task") { try await task.deleteInPieces(value) }
            await expect("MongoDB user gpu1 may not read Task") { _ = try await task.findAll(value) }
            await expect("MongoDB user gpu1 may not read Task") { for try await _ in task.find(value) {} }
            await expect("MongoDB user gpu1 may not read Task") {
                for try await _ in task.aggregate([["$match": .document(value)]]) {}
            }
            await expect("MongoDB user gpu1 may not read Task") { _ = try await task.countDocuments(value) }
            await expect("MongoDB user gpu1 may not read Task") { _ = try await task.distinct("x", value) }
            await expect("MongoDB user gpu1 may not create an index on Task") {
                try await task.createIndexes([IndexModel(name: "hidden-value", keys: ["x": 1])])
            }
            await expect("MongoDB user gpu1 may not list the indexes of Task") { _ = try await task.listIndexes() }
            await expect("MongoDB user gpu1 may not watch Task") { try await task.watch().open() }
            await expect("MongoDB user gpu1 may not watch Open") {
                for try await _ in database.collection("Open").watch() {}
            }
            await expect("MongoDB user gpu1 may not drop Task") { try await task.drop() }
            await expect("MongoDB user gpu1 may not drop database \(guarded.name)") { try await database.drop() }
            await expect("MongoDB user gpu1 may not run collStats on Task") {
                try await database.runCommand(["collStats": "Task"])
            }
            await expect("MongoDB user gpu1 may not run serverStatus on database admin") {
                try await client.database("admin").runCommand(["serverStatus": 1])
            }
            await expect("MongoDB user gpu1 may not insert into elsewhere.Task") {
                try await client.database("elsewhere").collection("Task").insertOne(value)
            }
            await client.close()
        }
    }

    @Test func `A file of GridFS that may not be written or read says which collection refuses it`() async throws {
        try await withGuardedDatabase { guarded in
            try await guarded.createUser("gpu1", "p", rights: ["fs.files": ["find"]])
            let client = try MongoClient(uri: guarded.uri("gpu1", "p"))
            let root = guarded.database.gridFS("fs")
            let mine = client.database(guarded.name).gridFS("fs")
            func content() -> AsyncThrowingStream<[UInt8], any Error> {
                AsyncThrowingStream { continuation in
                    continuation.yield(Array(repeating: 7, count: 1000))
                    continuation.finish()
                }
            }
            let now = BSONDateTime(millisecondsSince1970: 0)
            await expect("MongoDB user gpu1 may not insert into fs.chunks") {
                try await mine.upload(content(), uploadDate: now)
            }
            await expect("MongoDB user gpu1 may not insert into fs.chunks") {
                _ = try await mine.uploadChunks(
                    of: ObjectID(),
                    reading: { batch in
                        _ = [1, 2, 3].withUnsafeBytes { batch.append($0) }
                    }
                )
            }
            let file = try await root.upload(content(), uploadDate: now)
            await expect("MongoDB user gpu1 may not read fs.chunks") { for try await _ in mine.read(file) {} }
            await client.close()
        }
    }

    @Test func `Whoever is not let in is told so with the user's name, and who has none is told to give one`()
        async throws
    {
        try await withGuardedDatabase { guarded in
            let user = "gpü/1 @x"
            try await guarded.createUser(user, "Geh31mnis", rights: ["Open": ["find"]])
            let wrong = try MongoClient(uri: guarded.uri(user, "Geh31mnis+"))
            let refused = await failure { _ = try await wrong.database(guarded.name).collection("Open").findAll() }
            #expect(refused?.code == .authentication)
            #expect(refused.map { "\($0)" } == "MongoDB does not let user \(user) in: Authentication failed.")
            let right = try MongoClient(uri: guarded.uri(user, "Geh31mnis"))
            await expect("MongoDB user \(user) may not read Task") {
                _ = try await right.database(guarded.name).collection("Task").findAll()
            }
            let nobody = try MongoClient(uri: guarded.uri())
            await expect("MongoDB lets nobody read Task without a user; put one into the connection string") {
                _ = try await nobody.database(guarded.name).collection("Task").findAll()
            }
            for client in [wrong, right, nobody] { await client.close() }
        }
    }

    @Test func `A hosted server's refusal, for a quota as for a right, is one of the same kind`() async throws {
        let uri = try await TestMongo.shared()
        var options = MongoClient.Options()
        options.applicationName = "quota-\(UInt64.random(in: 0 ... .max))"
        let client = try MongoClient(uri: uri, options: options)
        let data: BSONDocument = ["failCommands": ["insert", "find", "findAndModify"], "errorCode": 8000]
        try await withFailCommand(data, applicationName: options.applicationName, times: nil, client: client) {
            let tasks = client.database("test_quota").collection("Task")
            let insert = await failure { try await tasks.insertOne(["x": 1]) }
            #expect(insert?.code == .forbidden && insert?.isRetryable == false, "\(String(describing: insert))")
            #expect(insert?.message.hasPrefix("MongoDB lets nobody insert into Task") == true)
            let find = await failure { _ = try await tasks.findAll() }
            #expect(find?.code == .forbidden)
        }
        await client.close()
    }

    @Test(arguments: [
        "not authorized on db to execute command { insert: \"x\", lsid: { id: UUID(\"1\") }, $clusterTime: "
            + "{ signature: { hash: BinData(0, 53CRET), keyId: 5 } } }",
        "Command { saslStart: 1, payload: BinData(0, 53CRET) } failed",
        "bad { createUser: \"x\", PWD: \"53CRET\"", "x {lsid: 53CRET} y {signature: 53CRET} z",
        "see mongodb://ann:53CRET@host/db for more", "mongodb+srv://ann:a@53CRET/x@host/db",
        "mongodb://ann:53CRET", "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:53CRET",
    ])
    func `What the server quotes of a command stays outside, wherever it stands in an answer`(text: String) throws {
        #expect(!ServerText.scrubbed(text).contains("53CRET"), "\(ServerText.scrubbed(text))")
        let reply: BSONDocument = [
            "ok": 0, "errmsg": .string(text), "$clusterTime": ["signature": "53CRET"],
            "writeErrors": [["index": 0, "code": 13, "errmsg": .string(text)]],
            "writeConcernErrors": [["code": 64, "errmsg": .string(text)]],
        ]
        let error = try #require(MongoError(failureIn: reply))
        var shown = ""
        dump(error, to: &shown)
        #expect(!shown.contains("53CRET"), "\(shown)")
    }

    @Test(arguments: [
        "E11000 duplicate key error collection: a.b index: c dup key: { x: \"y\" }",
        "no server could be reached at mongodb://127.0.0.1:27017, tried for 5 s",
        "give it as mongodb://h1:1,h2:2/db?w=1",
    ])
    func `What holds no secret is left as it is`(text: String) {
        #expect(ServerText.scrubbed(text) == text)
    }
}
