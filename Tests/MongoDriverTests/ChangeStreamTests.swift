import BSON
import LocalMongo
import MongoDriver
import TestSupport
import Testing

@Suite struct ChangeStreamTests {
    @Test func `An insert after the opening is seen`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            let stream = tasks.watch([["$match": ["operationType": "insert"]], ["$project": ["documentKey": 1]]])
            try await stream.open()
            let id = try await tasks.insertOne(["x": 1])
            var events = stream.makeAsyncIterator()
            let event = try #require(try await events.next())
            #expect(event.document["documentKey"] == ["_id": id])
            #expect(event.resumeToken["_data"]?.stringValue != nil)
        }
    }

    @Test func `A stream that resumes after an event sees the later ones, in order`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            var options = ChangeStreamOptions(maxAwaitTime: .milliseconds(100), fullDocument: true)
            let first = tasks.watch([], options)
            try await first.open()
            for n in 0..<5 { try await tasks.insertOne(["_id": BSONValue(smallest: n)]) }
            var events = first.makeAsyncIterator()
            _ = try await events.next()
            _ = try await events.next()
            options.resumeAfter = first.resumeToken
            first.close()
            let second = tasks.watch([], options)
            var later = second.makeAsyncIterator()
            for n in 2..<5 {
                let event = try await later.next()
                #expect(event?.document["fullDocument"]?.documentValue?["_id"] == BSONValue(smallest: n))
            }
        }
    }

    @Test func `The resume token moves on while nothing happens here`() async throws {
        try await withTestDatabase { client, name in
            let database = client.database(name)
            let stream = database.collection("Task").watch([], ChangeStreamOptions(maxAwaitTime: .milliseconds(50)))
            try await stream.open()
            let hasToken = await eventually { stream.resumeToken != nil }
            #expect(hasToken)
            let token = stream.resumeToken
            try await database.collection("Other").insertOne(["x": 1])
            let hasMoved = await eventually { stream.resumeToken != token }
            #expect(hasMoved)
        }
    }

    @Test func `More events than the buffer holds all arrive`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            let stream = tasks.watch()
            try await stream.open()
            try await tasks.insertMany((0..<500).map { ["_id": BSONValue(smallest: $0)] })
            var count = 0
            for try await event in stream {
                #expect(event.document["documentKey"]?.documentValue?["_id"] == BSONValue(smallest: count))
                count += 1
                if count == 500 { break }
            }
            #expect(count == 500)
        }
    }

    @Test func `Cancelling the consuming task ends the stream, and closing the client its thread`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            let stream = tasks.watch([], ChangeStreamOptions(maxAwaitTime: .milliseconds(100)))
            try await stream.open()
            let consumer = Task { () -> Int in
                var count = 0
                for try await _ in stream { count += 1 }
                return count
            }
            consumer.cancel()
            #expect(try await consumer.value == 0)
            var events = stream.makeAsyncIterator()
            #expect(try await events.next() == nil)
        }
    }

    @Test func `Dropping the collection ends the stream, whether the pipeline shows it or not`() async throws {
        try await withTestDatabase { client, name in
            let tasks = client.database(name).collection("Task")
            try await tasks.insertOne(["x": 1])
            let options = ChangeStreamOptions(maxAwaitTime: .milliseconds(100))
            let open = tasks.watch([], options)
            let hidden = tasks.watch(
                [["$match": ["operationType": "insert"]], ["$project": ["documentKey": 1]]],
                options
            )
            try await open.open()
            try await hidden.open()
            try await tasks.drop()
            var seen: [BSONValue?] = []
            for try await event in open { seen.append(event.document["operationType"]) }
            #expect(seen == ["drop", "invalidate"])
            var events = hidden.makeAsyncIterator()
            do {
                while let event = try await events.next() { #expect(event.document["documentKey"] == nil) }
            } catch {
                #expect((error as? MongoError)?.code == .server)
            }
        }
    }

    @Test func `A stream lives through a broken connection`() async throws {
        var options = MongoClient.Options()
        options.applicationName = "stream-\(UInt64.random(in: 0 ... .max))"
        try await withTestDatabase { admin, name in
            let client = try MongoClient(uri: try await TestMongo.shared(), options: options)
            let tasks = client.database(name).collection("Task")
            let stream = tasks.watch([], ChangeStreamOptions(maxAwaitTime: .milliseconds(50)))
            try await stream.open()
            try await withFailCommand(
                ["failCommands": ["getMore"], "closeConnection": true],
                applicationName: options.applicationName,
                client: admin
            ) {
                let token = stream.resumeToken
                let hasResumed = await eventually { stream.resumeToken != token || token == nil }
                #expect(hasResumed)
                try await tasks.insertOne(["_id": 1])
                var events = stream.makeAsyncIterator()
                #expect(try await events.next()?.document["operationType"] == "insert")
            }
            await client.close()
        }
    }

    @Test func `A pipeline that the server refuses is an error of opening`() async throws {
        try await withTestDatabase { client, name in
            let stream = client.database(name).collection("Task").watch([["$nonsense": 1]])
            let error = await failure { try await stream.open() }
            #expect(error?.code == .server)
            #expect(error?.serverCode == 40324)
        }
    }

    @Test func `A client has a limit of open streams, and says so`() async throws {
        var options = MongoClient.Options()
        options.maxOpenChangeStreams = 1
        try await withTestDatabase(options: options) { client, name in
            let tasks = client.database(name).collection("Task")
            let first = tasks.watch([], ChangeStreamOptions(maxAwaitTime: .milliseconds(50)))
            try await first.open()
            let second = tasks.watch()
            let error = await failure { try await second.open() }
            #expect(error?.code == .invalidInput)
            first.close()
            let hasRoom = await eventually {
                do { try await tasks.watch().open() } catch { return false }
                return true
            }
            #expect(hasRoom)
        }
    }

    @Test func `A standalone server has none, and the error says why`() async throws {
        try await withTemporaryDirectory { folder in
            try await withStandaloneMongod(folder) { uri in
                let client = try MongoClient(uri: uri)
                let stream = client.database("test").collection("Task").watch()
                let error = await failure { try await stream.open() }
                #expect(error?.code == .notReplicaSet)
                #expect(error?.serverCode == 40573)
                try await client.database("test").collection("Task").insertOne(["x": 1])
                await client.close()
            }
        }
    }
}
