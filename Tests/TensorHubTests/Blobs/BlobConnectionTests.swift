import BSON
import MongoDriver
import TensorHub
import TestSupport
import Testing

@Suite struct BlobConnectionTests {
    /// Lends a hub whose application name the fail point can pick out.
    private func withBreakingHub(
        _ body: (
            _ hub: Hub,
            _ breaking: (_ commands: [String], _ times: Int, _ body: () async throws -> Void) async throws -> Void
        )
            async throws -> Void
    ) async throws {
        try await withTestDatabase { admin, name in
            var options = MongoClient.Options()
            options.applicationName = "blobs-\(UInt64.random(in: 0 ... .max))"
            let hub = try await Hub.connect(
                uri: try await TestMongo.uri(database: name),
                options: options,
                patience: nil
            )
            try await body(hub) { commands, times, body in
                try await withFailCommand(
                    ["failCommands": .array(commands.map(BSONValue.string)), "closeConnection": true],
                    applicationName: options.applicationName,
                    times: times,
                    client: admin,
                    body
                )
            }
            await hub.close()
        }
    }

    @Test(arguments: [1, 5])
    func `An upload goes on where the connection broke, and every chunk is there once`(times: Int) async throws {
        try await withBreakingHub { hub, breaking in
            let bytes = noise(100 * 261_120 + 1)
            let blob = Outcome<Blob>()
            // Indexes are made before.
            try await hub.saveBlob([1])
            try await breaking(["insert"], times) {
                blob.value = try await hub.storeBlob(.stream(stream(bytes)), in: .dataSets, for: ObjectID())
            }
            let stored = try #require(blob.value)
            #expect(try await hub.chunks() == 102)
            #expect(try await hub.uploads() == 0)
            #expect(try await hub.readWhole(stored.id) == bytes)
        }
    }

    @Test(arguments: [1, 5])
    func `A download goes on where the connection broke`(times: Int) async throws {
        try await withBreakingHub { hub, breaking in
            let bytes = noise(100 * 261_120 + 1)
            let blob = try await hub.saveBlob(bytes)
            try await withTemporaryDirectory { folder in
                try await breaking(["find"], times) {
                    try await hub.downloadBlob(blob, in: .dataSets, to: "\(folder)/out")
                }
                #expect(try readFile("\(folder)/out") == bytes)
            }
            try await breaking(["find"], times) {
                let read = try await hub.readWhole(blob.id)
                #expect(read == bytes)
            }
        }
    }

    @Test func `Every step of a deletion may be repeated`() async throws {
        for command in ["findAndModify", "aggregate", "delete", "update"] {
            try await withBreakingHub { hub, breaking in
                let owner = ObjectID()
                let blob = try await hub.saveBlob(noise(1_000_000), owner: owner)
                try await hub.database.collection("Dataset").deleteOne(["_id": .objectID(owner)])
                try await breaking([command], 3) { try await hub.releaseBlobs([blob.id], in: .dataSets) }
                try await hub.expectNoBlobs()
            }
        }
    }

    @Test func `An upload that is cancelled leaves nothing`() async throws {
        try await withTestHub { hub in
            try await hub.saveBlob([1])
            let count = Counter()
            let endless = AsyncThrowingStream<[UInt8], any Error> {
                count.next()
                return noise(261_120)
            }
            let upload = Task {
                try await hub.storeBlob(.stream(endless), in: .dataSets, for: ObjectID())
            }
            #expect(try await eventually { try await hub.chunks() > 40 })
            upload.cancel()
            await #expect(throws: HubError.self) { try await upload.value }
            #expect(try await hub.chunks() == 1)
            #expect(try await hub.uploads() == 0)
        }
    }
}

/// What a closure leaves for whoever has lent it.
private final class Outcome<Value: Sendable> {
    var value: Value?
}
