import BSON
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct CollectGarbageTests {
    @Test func `Says what would go, then deletes that`() async throws {
        try await withCommands { fixture in
            try await fixture.hub.saveDataSet(.bytes(noise(1000), as: "f"), name: "kept")
            let chunks = fixture.hub.database.collection("datasetFilesystem.chunks")
            try await chunks.insertOne([
                "_id": .objectID(ObjectID(bytes: [UInt8](repeating: 1, count: 12)) ?? ObjectID()),
                "files_id": .objectID(ObjectID(bytes: [UInt8](repeating: 1, count: 12)) ?? ObjectID()), "n": 0,
                "data": .binary(BSONBinary(bytes: [1])),
            ])
            let dry = try await fixture.run("gc", "--dry-run", "--json")
            let reports = try BSONValue(extendedJSON: dry.output).arrayValue?.compactMap(\.documentValue) ?? []
            let report = reports.first { $0["bucket"] == "datasetFilesystem" }
            #expect(report?.value(atPath: "orphans.0.chunks") == 1, "\(dry.output)")
            #expect(try await chunks.countDocuments() == 2)
            try await fixture.hub.database.collection("TaskOutput").insertOne([
                "task_id": .objectID(ObjectID()), "attempt": 1, "seq": 0,
                "time": .dateTime(BSONDateTime(millisecondsSince1970: 0)),
            ])
            let lost = try await fixture.run("gc", "--dry-run", "--json").output
            #expect(lost.contains("\"TaskOutput\""), "\(lost)")
            let real = try await fixture.run("gc")
            #expect(real.status == 0 && real.lines.count == 3 && real.errors.hasPrefix("freed "), "\(real.errors)")
            #expect(try await chunks.countDocuments() == 1)
            #expect(try await fixture.run("gc").errors == "there is no garbage\n")
            #expect(try await fixture.run("gc", "--older-than", "x").status == 2)
        }
    }

    /// Lends a `dataset put` of standard input that has sent all but its last bytes, and cannot be answered once these
    /// have come; it is killed in the end.
    private func putting(
        _ fixture: CommandFixture,
        stoppedAt statement: BSONDocument,
        _ body: () async throws -> Void
    ) async throws {
        let name = "put-\(UInt64.random(in: 0 ... .max))"
        let put = try fixture.named(name).start("dataset", "put", "-", "--name", "dead")
        defer { put.signal(SIGKILL) }
        // More than the program keeps in memory before the first of it goes to the server.
        let text = String(repeating: "0123456789abcdef", count: 2 << 20)
        put.write(text)
        let chunks = fixture.hub.database.collection("datasetFilesystem.chunks")
        #expect(try await eventually { try await chunks.countDocuments() > 0 })
        var data = statement
        data.append("blockConnection", true)
        data.append("blockTimeMS", 600_000)
        try await withFailCommand(data, applicationName: name, times: nil, client: fixture.hub.client) {
            put.send("the end")
            try await body()
            await kill(put)
            try await fixture.endOperations(of: name)
        }
    }

    private func kill(_ put: Program) async {
        put.signal(SIGKILL)
        #expect(await eventually { put.status == -SIGKILL })
    }

    private func reports(_ fixture: CommandFixture, _ arguments: String...) async throws -> BSONDocument {
        let result = try await fixture.run("tensorhub", ["gc", "--json"] + arguments)
        let reports = try BSONValue(extendedJSON: result.output).arrayValue?.compactMap(\.documentValue) ?? []
        return try #require(reports.first { $0["bucket"] == "datasetFilesystem" }, "\(result.errors)")
    }

    private func expectNothing(_ fixture: CommandFixture) async throws {
        for name in ["files", "chunks", "uploads"] {
            let collection = fixture.hub.database.collection("datasetFilesystem.\(name)")
            #expect(try await collection.countDocuments() == 0, "\(name)")
        }
    }

    @Test func `What a killed put has sent is found and deleted`() async throws {
        try await withCommands { fixture in
            let name = "put-\(UInt64.random(in: 0 ... .max))"
            let put = try fixture.named(name).start("dataset", "put", "-", "--name", "dead")
            put.write(String(repeating: "0123456789abcdef", count: 2 << 20))
            let chunks = fixture.hub.database.collection("datasetFilesystem.chunks")
            #expect(try await eventually { try await chunks.countDocuments() > 0 })
            await kill(put)
            // The server may still be at what it was sent.
            try await fixture.endOperations(of: name)
            let count = try await chunks.countDocuments()
            #expect(try await fixture.run("gc").errors == "there is no garbage\n", "it may still be under way")
            let dry = try await reports(fixture, "--dry-run", "--older-than", "0s")
            #expect(dry["stale_uploads"] == 1 && dry["stale_upload_chunks"]?.intValue == count, "\(dry)")
            #expect(try await chunks.countDocuments() == count)
            let real = try await reports(fixture, "--older-than", "0s")
            #expect(real["stale_upload_chunks"]?.intValue == count, "\(real)")
            try await expectNothing(fixture)
            #expect(try await fixture.run("gc", "--older-than", "0s").errors == "there is no garbage\n")
        }
    }

    @Test func `What a put has stored that is killed before its document is found and deleted`() async throws {
        try await withCommands { fixture in
            let name = fixture.hub.database.name
            let files = fixture.hub.database.collection("datasetFilesystem.files")
            // Its next question is which version it will be.
            try await putting(fixture, stoppedAt: ["failCommands": ["find"], "namespace": .string("\(name).Dataset")]) {
                let isStored = try await eventually { try await files.countDocuments() == 1 }
                #expect(isStored)
            }
            #expect(try await fixture.run("gc").errors == "there is no garbage\n")
            let dry = try await reports(fixture, "--dry-run", "--older-than", "0s")
            #expect(dry["stale_reservations"] == 1 && dry.value(atPath: "unreferenced.0") != nil, "\(dry)")
            #expect(try await files.countDocuments() == 1)
            let real = try await reports(fixture, "--older-than", "0s")
            #expect(real["stale_reservations"] == 1 && real["unreferenced"] == dry["unreferenced"], "\(real)")
            try await expectNothing(fixture)
        }
    }

    @Test func `A put that is killed behind its document has saved it`() async throws {
        try await withCommands { fixture in
            let name = fixture.hub.database.name
            let documents = fixture.hub.database.collection("Dataset")
            let statement: BSONDocument = [
                "failCommands": ["update"], "namespace": .string("\(name).datasetFilesystem.files"),
            ]
            try await putting(fixture, stoppedAt: statement) {
                let isThere = try await eventually { try await documents.countDocuments() == 1 }
                #expect(isThere)
            }
            let real = try await reports(fixture, "--older-than", "0s")
            #expect(real["unreferenced"] == [], "\(real)")
            let get = try await fixture.run("dataset", "get", "dead", "-o", "\(fixture.folder)/back")
            #expect(get.status == 0, "\(get.errors)")
            #expect(try readFile("\(fixture.folder)/back").count == (32 << 20) + 7)
            #expect(try await fixture.run("dataset", "rm", "dead").status == 0)
            try await expectNothing(fixture)
        }
    }
}
