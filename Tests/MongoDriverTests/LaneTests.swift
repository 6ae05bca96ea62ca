import BSON
import Glibc
import Synchronization
import TestSupport
import Testing
import Threads

@testable import MongoDriver

@Suite(.timeLimit(.minutes(30)))
struct LaneTests {
    private static let blockedFind: BSONDocument = [
        "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 2000,
    ]

    /// Lends a client of its own name and its database; finds of its collection `Slow` take two seconds.
    private func withSlowFinds(
        patience: Duration = .seconds(60),
        _ body: (MongoClient, _ database: String) async throws -> Void
    ) async throws {
        try await withTestDatabase { admin, name in
            var options = MongoClient.Options()
            options.applicationName = "lanes-\(UInt64.random(in: .min ... .max))"
            options.scripts.patience = patience
            let client = try MongoClient(uri: try await TestMongo.shared(), options: options)
            try await client.database(name).collection("Slow").insertOne(["n": 1])
            var data = Self.blockedFind
            data.append("namespace", .string("\(name).Slow"))
            try await withFailCommand(data, applicationName: options.applicationName, times: nil, client: admin) {
                try await body(client, name)
            }
            await client.close()
        }
    }

    private func load(_ client: MongoClient, _ lane: MongoClient.Lane) -> (running: Int, waiting: Int) {
        client.load.first { $0.lane == lane }.map { ($0.running, $0.waiting) } ?? (0, 0)
    }

    @Test
    func `Many slow queries of one party keep neither another lane nor another party waiting, and end when cancelled`()
        async throws
    {
        try await withSlowFinds { client, name in
            let greedy = client.by(.scripts).database(name).collection("Slow")
            try await withThrowingTaskGroup(of: MongoError?.self) { group in
                for _ in 0..<40 {
                    group.addTask { await failure { _ = try await greedy.findAll() } }
                }
                #expect(await eventually { load(client, .scripts).waiting == 39 })
                let slow = client.database(name).collection("Slow")
                #expect(try await slow.countDocuments() == 1)
                let modest = client.by(.scripts).database(name).collection("Slow")
                #expect(try await modest.countDocuments() == 1)
                #expect(try await modest.distinct("n") == [.int32(1)])
                // Not one behind another of the greedy one's.
                #expect(load(client, .scripts).waiting >= 36)
                group.cancelAll()
                var codes: [MongoError.Code?] = []
                for try await error in group { codes.append(error?.code) }
                #expect(codes.filter { $0 == .cancelled }.count >= 36)
                #expect(load(client, .scripts).waiting == 0)
            }
        }
    }

    @Test func `Closing a client waits for no query of a script`() async throws {
        try await withSlowFinds { client, name in
            let greedy = client.by(.scripts).database(name).collection("Slow")
            try await withThrowingTaskGroup(of: MongoError?.self) { group in
                for _ in 0..<10 { group.addTask { await failure { _ = try await greedy.findAll() } } }
                #expect(await eventually { load(client, .scripts).waiting == 9 })
                await client.close()
                #expect(load(client, .scripts).running == 1)
                var refused = 0
                for try await error in group { refused += error?.code == .closed ? 1 : 0 }
                #expect(refused == 9)
            }
            #expect(await failure { _ = try await greedy.findAll() }?.code == .closed)
        }
    }

    @Test
    func `A query that has waited for its turn for too long, or is one of too many, is told that the server is busy`()
        async throws
    {
        try await withSlowFinds(patience: .milliseconds(100)) { client, name in
            let greedy = client.by(.scripts).database(name).collection("Slow")
            try await withThrowingTaskGroup(of: MongoError?.self) { group in
                for _ in 0..<(LaneThreads.waitingLimit + 10) {
                    group.addTask { await failure { _ = try await greedy.findAll() } }
                }
                var busy = 0
                for try await error in group { busy += error?.code == .busy ? 1 : 0 }
                #expect(busy >= LaneThreads.waitingLimit)
            }
        }
    }

    @Test func `The server gives up whatever a script's query makes it do, and only that`() async throws {
        var options = MongoClient.Options()
        options.scripts.maxTime = .milliseconds(200)
        try await withTestDatabase(options: options) { client, name in
            let plain = client.database(name).collection("Log")
            try await plain.insertMany((0..<40).map { ["_id": BSONValue(smallest: $0)] })
            let slow: BSONDocument = ["$where": "sleep(20) || true"]
            let script = client.by(.scripts).database(name).collection("Log")
            #expect(await failure { _ = try await script.findAll(slow) }?.serverCode == 50)
            let code: BSONDocument = ["body": "function() { sleep(20); return true }", "args": [], "lang": "js"]
            let computed: BSONDocument = ["$expr": ["$function": .document(code)]]
            #expect(await failure { _ = try await script.countDocuments(computed) }?.serverCode == 50)
            #expect(await failure { _ = try await script.distinct("_id", slow) }?.serverCode == 50)
            let change = MongoUpdate.document(["$set": ["a": 1]])
            #expect(await failure { _ = try await script.updateMany(slow, change) }?.serverCode == 50)
            let cursor = await failure {
                for try await _ in script.find(slow, FindOptions(batchSize: 2)) {}
            }
            #expect(cursor?.serverCode == 50)
            let other = MongoUpdate.document(["$set": ["a": 2]])
            let result = try await script.updateMany(["_id": ["$lt": 10]], other)
            #expect(result == UpdateResult(matched: 10, modified: 10))
            #expect(try await plain.findAll(slow).count == 40)
        }
    }

    @Test func `One party cannot hold all cursors`() async throws {
        var options = MongoClient.Options()
        options.scripts.patience = .seconds(3)
        options.scripts.cursorShare = 1
        try await withTestDatabase(options: options) { client, name in
            try await client.database(name).collection("Log").insertMany(
                (0..<10).map { ["_id": BSONValue(smallest: $0)] }
            )
            let one = client.by(.scripts).database(name).collection("Log")
            var first = one.find([:], FindOptions(batchSize: 2)).makeAsyncIterator()
            _ = try await first.next()
            var second = one.find([:], FindOptions(batchSize: 2)).makeAsyncIterator()
            #expect(await failure { _ = try await second.next() }?.code == .busy)
            let other = client.by(.scripts).database(name).collection("Log")
            var third = other.find([:], FindOptions(batchSize: 2)).makeAsyncIterator()
            #expect(try await third.next() != nil)
            #expect(try await first.next() != nil)
        }
    }
}
