import BSON
import Chaos
import MongoDriver
import TestSupport
import Testing

@Suite struct TCPProxyTests {
    /// Lends a proxy to the shared mongod and a client that goes through it.
    private func withProxy(_ body: (TCPProxy, MongoDatabase) async throws -> Void) async throws {
        try await withTestDatabase { client, name in
            let hello = try await client.database("admin").runCommand(["hello": 1])
            let port = try #require(hello["me"]?.stringValue?.split(separator: ":").last.flatMap { Int($0) })
            let proxy = try TCPProxy(to: port)
            defer { proxy.close() }
            var options = MongoClient.Options()
            options.serverSelectionTimeout = .seconds(2)
            options.socketTimeout = .seconds(3)
            let uri =
                "mongodb://127.0.0.1:\(proxy.port)/?directConnection=true&retryWrites=false&heartbeatFrequencyMS=500"
            let own = try MongoClient(uri: uri, options: options)
            let database = own.database(name)
            do { try await body(proxy, database) } catch {
                await own.close()
                throw error
            }
            await own.close()
        }
    }

    private func answers(_ database: MongoDatabase) async -> Bool {
        (try? await database.runCommand(["ping": 1])) != nil
    }

    @Test func `What passes a proxy is unchanged, in both directions`() async throws {
        try await withProxy { _, database in
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let tests = database.collection("tests")
            try await tests.insertOne(["data": .binary(BSONBinary(bytes: bytes))])
            #expect(try await tests.findOne()?["data"]?.binaryValue?.bytes == bytes)
        }
    }

    @Test func `A proxy refuses, swallows in either direction, and heals`() async throws {
        try await withProxy { proxy, database in
            #expect(await answers(database))
            proxy.refuse()
            #expect(await !answers(database))
            proxy.heal()
            #expect(await eventually { await answers(database) })
            for behaviour in [(true, false), (false, true), (true, true)] {
                proxy.behave(.swallow(toServer: behaviour.0, toClient: behaviour.1))
                #expect(await !answers(database), "\(behaviour)")
                proxy.heal()
                #expect(await eventually { await answers(database) }, "\(behaviour)")
            }
            proxy.drop()
            #expect(await eventually { await answers(database) })
        }
    }

    @Test func `A delayed answer comes late`() async throws {
        try await withProxy { proxy, database in
            #expect(await answers(database))
            proxy.behave(.delay(.milliseconds(150)))
            let start = ContinuousClock.now
            #expect(await answers(database))
            #expect(ContinuousClock.now - start >= .milliseconds(300))
        }
    }

    @Test func `A command whose reply is lost was carried out`() async throws {
        try await withProxy { proxy, database in
            let tests = database.collection("tests")
            try await tests.insertOne(["n": 1])
            proxy.loseReplies(to: "update")
            await #expect(throws: MongoError.self) {
                try await tests.updateOne(["n": 1], .document(["$set": ["n": 2]]))
            }
            #expect(proxy.lostReplies == 1)
            #expect(await eventually { await answers(database) })
            #expect(try await tests.countDocuments(["n": 2]) == 1)
        }
    }
}
