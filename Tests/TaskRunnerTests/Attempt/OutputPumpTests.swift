import BSON
import Glibc
import Logging
import MongoDriver
import NIOPosix
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// What becomes of a script's output when MongoDB does not take it, or when the runner is replaced.
@Suite(.timeLimit(.minutes(30))) struct OutputPumpTests {
    private struct Source: Sendable {
        var hub: Hub
        var path: String
        var id = AttemptID(task: ObjectID(), number: 1)

        func pump(
            limit: Int = 64 << 20,
            from stored: (seq: Int64, offset: Int64) = (0, 0),
            isLost: Bool = false,
            mustGiveUp: Bool = false
        ) -> OutputPump {
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            return OutputPump(
                id,
                hub.session(),
                pool: .singleton,
                reader: OutputReader(path: path, limit: Int64(limit), from: stored.offset),
                limit: limit,
                from: stored.seq,
                block: DeliveryBlock(logger, in: Availability(logger)),
                isLost: { isLost },
                persistence: Persistence(clock: HurriedClock()) { mustGiveUp }
            )
        }

        func grow(_ bytes: Int) {
            guard let file = fopen(path, "a") else { return }
            fwrite([UInt8](repeating: UInt8(ascii: "x"), count: bytes), 1, bytes, file)
            fclose(file)
        }

        func chunks() async throws -> [OutputChunk] { try await hub.readOutput(of: id.task) }
    }

    private func withSource(_ body: (Source, MongoClient, String) async throws -> Void) async throws {
        try await withTestDatabase { client, name in
            try await withTemporaryDirectory { folder in
                var options = MongoClient.Options()
                options.applicationName = "output-\(UInt32.random(in: 0...UInt32.max))"
                let hub = try await Hub.connect(
                    uri: try await TestMongo.uri(database: name),
                    options: options,
                    patience: nil
                )
                try await body(Source(hub: hub, path: "\(folder)/output.log"), client, options.applicationName)
                await hub.close()
            }
        }
    }

    @Test(arguments: [13, 18, 8000, 14031]) func `An error that is not of the output itself is waited out`(code: Int)
        async throws
    {
        try await withSource { source, client, name in
            source.grow(100)
            let pump = source.pump()
            try await withFailCommand(
                ["failCommands": ["insert"], "errorCode": .init(smallest: code)],
                applicationName: name,
                times: 2,
                client: client
            ) {
                #expect(await pump.finish())
            }
            #expect(await pump.refused == 0)
            #expect(try await source.chunks().map(\.data.count) == [100])
        }
    }

    @Test func `Output that is kept does not count as stored, whoever gives up`() async throws {
        try await withSource { source, client, name in
            source.grow(100)
            try await withFailCommand(
                ["failCommands": ["insert"], "errorCode": 13],
                applicationName: name,
                times: nil,
                client: client
            ) {
                #expect(await !source.pump(mustGiveUp: true).finish())
            }
            #expect(await !source.pump(isLost: true).finish())
            #expect(try await source.chunks().isEmpty)
        }
    }

    @Test func `What MongoDB refuses of the output is counted and does not hold up the rest`() async throws {
        try await withSource { source, _, _ in
            try await source.hub.database.runCommand([
                "create": "TaskOutput", "validator": ["offset": ["$ne": .int64(1 << 20)]],
            ])
            // A batch, one whose first chunk is refused, and one more.
            source.grow(9 * Hub.outputChunkSize)
            let pump = source.pump()
            #expect(await pump.finish())
            #expect(await pump.refused == 4 * Int64(Hub.outputChunkSize))
            #expect(try await source.chunks().map(\.seq) == [0, 1, 2, 3, 5, 6, 7, 8])
        }
    }

    @Test func `The next runner leaves out the middle of an output and never its beginning`() async throws {
        try await withSource { source, _, _ in
            let mebibyte = 1 << 20
            source.grow(3 * mebibyte)
            #expect(await source.pump(limit: 4 * mebibyte).finish())
            let stored = try await source.hub.session().storedOutput(of: source.id)
            let next = source.pump(limit: 4 * mebibyte, from: stored)
            for _ in 0..<3 {
                source.grow(3 * mebibyte)
                #expect(await next.finish())
            }
            // The middle goes in steps, so a little more may stay.
            let offsets = try await source.chunks().map { Int($0.offset) / mebibyte }
            #expect(offsets == [0, 7, 8, 9, 10, 11].flatMap { Array(repeating: $0, count: 4) })
        }
    }
}
