import BSON
import Glibc
import LocalMongo
import MongoDriver
import TestSupport
import Testing

@Suite struct LocalMongoTests {
    @Test func `A data directory is taken over on another port, with its data, and is locked meanwhile`() async throws {
        try await withTemporaryDirectory { folder in
            let first = try await LocalMongoServer.start(dataDirectory: "\(folder)/data/deep")
            let client = try MongoClient(uri: first.uri)
            try await client.database("x").collection("Task").with(.majority).insertOne(["_id": 1])
            await client.close()
            do {
                _ = try await LocalMongoServer.start(dataDirectory: "\(folder)/data/deep")
                Issue.record("two servers on one directory")
            } catch let error as LocalMongoError {
                #expect(error.code == .directoryInUse)
                #expect(error.message.contains("\(first.pid)"))
            }
            await first.stop()
            #expect(!first.isRunning)

            let second = try await LocalMongoServer.start(dataDirectory: "\(folder)/data/deep")
            #expect(second.port != first.port)
            let again = try MongoClient(uri: second.uri)
            #expect(try await again.database("x").collection("Task").countDocuments() == 1)
            try await again.database("x").collection("Task").watch().open()
            await again.close()
            await second.kill()
            #expect(!second.isRunning)
        }
    }

    @Test func `It listens on the loopback address only, and leads a session of its own`() async throws {
        try await withTemporaryDirectory { folder in
            let server = try await LocalMongoServer.start(dataDirectory: folder)
            #expect(getsid(server.pid) == server.pid)
            #expect(getpgid(server.pid) == server.pid)
            let client = try MongoClient(uri: server.uri)
            let parsed = try await client.database("admin").runCommand(["getCmdLineOpts": 1])
            let net = parsed["parsed"]?.documentValue?["net"]?.documentValue
            #expect(net?["bindIp"] == "127.0.0.1")
            await client.close()
            await server.stop()
        }
    }

    @Test func `A program that is no mongod is a failed start, and a missing one is said to be missing`() async throws {
        try await withTemporaryDirectory { folder in
            for path in ["/bin/false", "/nonexistent/mongod"] {
                do {
                    _ = try await LocalMongoServer.start(dataDirectory: folder, mongodPath: path)
                    Issue.record("\(path) started")
                } catch let error as LocalMongoError {
                    #expect(error.code == .startFailed)
                }
            }
        }
    }

    @Test func `A port that is taken is a failed start with mongod's own words`() async throws {
        try await withTemporaryDirectory { folder in
            let first = try await LocalMongoServer.start(dataDirectory: "\(folder)/a")
            do {
                _ = try await LocalMongoServer.start(dataDirectory: "\(folder)/b", port: first.port)
                Issue.record("two servers on one port")
            } catch let error as LocalMongoError {
                #expect(error.code == .startFailed)
                #expect(error.message.contains("Address already in use"))
            }
            await first.stop()
        }
    }
}
