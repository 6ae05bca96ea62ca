import BSON
import MongoDriver
import TestSupport
import Testing

@Suite struct CursorTests {
    private func withNumbers(
        _ count: Int,
        options: MongoClient.Options = .init(),
        _ body: (MongoClient, MongoCollection) async throws -> Void
    ) async throws {
        try await withTestDatabase(options: options) { client, name in
            let numbers = client.database(name).collection("Number")
            try await numbers.insertMany((0..<count).map { ["_id": BSONValue(smallest: $0)] })
            try await body(client, numbers)
        }
    }

    /// The cursors that the server holds open for this collection.
    private func openCursors(_ client: MongoClient, _ collection: MongoCollection) async throws -> Int {
        try await client.database("admin").runCommand([
            "aggregate": 1,
            "pipeline": [
                ["$currentOp": ["idleCursors": true, "allUsers": true]],
                [
                    "$match": [
                        "ns": .string("\(collection.databaseName).\(collection.name)"), "type": "idleCursor",
                    ]
                ],
            ],
            "cursor": [:],
        ])["cursor"]?.documentValue?["firstBatch"]?.arrayValue?.count ?? -1
    }

    @Test func `All documents arrive in order, over many batches`() async throws {
        try await withNumbers(1000) { _, numbers in
            var next = 0
            for try await document in numbers.find([:], FindOptions(sort: ["_id": 1], batchSize: 7)) {
                #expect(document["_id"] == BSONValue(smallest: next))
                next += 1
            }
            #expect(next == 1000)
            var grouped = 0
            for try await group in numbers.aggregate([["$group": ["_id": ["$mod": ["$_id", 400]]]]]) {
                grouped += group.isEmpty ? 0 : 1
            }
            #expect(grouped == 400)
        }
    }

    @Test func `A loop over a cursor may run commands and other cursors, with one thread too`() async throws {
        var options = MongoClient.Options()
        options.threads = 1
        try await withNumbers(30, options: options) { _, numbers in
            var inner = 0
            for try await document in numbers.find([:], FindOptions(batchSize: 3)) {
                try await numbers.updateOne(["_id": document["_id"] ?? 0], .document(["$set": ["seen": true]]))
                for try await _ in numbers.find([:], FindOptions(limit: 5, batchSize: 2)) { inner += 1 }
            }
            #expect(inner == 150)
            #expect(try await numbers.countDocuments(["seen": true]) == 30)
        }
    }

    @Test func `An iterator that is let go closes its cursor on the server`() async throws {
        try await withNumbers(1000) { client, numbers in
            do {
                var iterator = numbers.find([:], FindOptions(batchSize: 10)).makeAsyncIterator()
                let first = try await iterator.next()
                let open = try await openCursors(client, numbers)
                #expect(first != nil)
                #expect(open == 1)
            }
            let isClosed = try await eventually { try await openCursors(client, numbers) == 0 }
            #expect(isClosed)
        }
    }

    @Test func `Cancelling the iterating task throws, and closes the cursor on the server`() async throws {
        try await withNumbers(5000) { client, numbers in
            let task = Task { () -> MongoError? in
                var iterator = numbers.find([:], FindOptions(batchSize: 10)).makeAsyncIterator()
                do throws(MongoError) {
                    _ = try await iterator.next()
                    withUnsafeCurrentTask { $0?.cancel() }
                    while try await iterator.next() != nil {}
                    return nil
                } catch {
                    return error
                }
            }
            #expect(await task.value?.code == .cancelled)
            let isClosed = try await eventually { try await openCursors(client, numbers) == 0 }
            #expect(isClosed)
        }
    }

    @Test func `Cursors beyond the limit wait for one to end, then fail, while commands go on`() async throws {
        var options = MongoClient.Options()
        options.maxOpenCursors = 2
        // Also how long a cursor waits for another to end; long enough for a server that all other tests keep busy.
        options.serverSelectionTimeout = .seconds(3)
        try await withNumbers(1000, options: options) { _, numbers in
            var first: MongoCursor.Iterator? = numbers.find([:], FindOptions(batchSize: 2)).makeAsyncIterator()
            var second = numbers.find([:], FindOptions(batchSize: 2)).makeAsyncIterator()
            _ = try await first?.next()
            _ = try await second.next()
            var third = numbers.find().makeAsyncIterator()
            let error = await failure { _ = try await third.next() }
            #expect(error?.code == .busy)
            #expect(try await numbers.countDocuments() == 1000)
            first = nil
            var fourth = numbers.find().makeAsyncIterator()
            #expect(try await fourth.next() != nil)
            #expect(try await second.next() != nil)
        }
    }

    @Test func `A cursor of a closed client says that it was closed`() async throws {
        try await withNumbers(1000) { _, numbers in
            let client = try MongoClient(uri: try await TestMongo.shared())
            let other = client.database(numbers.databaseName).collection(numbers.name)
            var iterator = other.find([:], FindOptions(batchSize: 2)).makeAsyncIterator()
            _ = try await iterator.next()
            await client.close()
            let error = await failure { while try await iterator.next() != nil {} }
            #expect(error?.code == .closed)
        }
    }

    @Test func `A query that the server refuses throws at the first document`() async throws {
        try await withNumbers(1) { _, numbers in
            var iterator = numbers.find(["$nonsense": 1]).makeAsyncIterator()
            let error = await failure { _ = try await iterator.next() }
            #expect(error?.code == .server)
            #expect(error?.codeName == "BadValue")
            let end = try await iterator.next()
            #expect(end == nil)
        }
    }

    @Test func `A time limit ends a query that takes too long`() async throws {
        try await withNumbers(50) { _, numbers in
            let error = await failure {
                _ = try await numbers.findAll(
                    ["$where": "sleep(100) || true"],
                    FindOptions(maxTime: .milliseconds(50))
                )
            }
            #expect(error?.serverCode == 50)
        }
    }
}
