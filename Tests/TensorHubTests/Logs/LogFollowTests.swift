import BSON
import MongoDriver
import Synchronization
import TestSupport
import Testing

@testable import TensorHub

@Suite struct LogFollowTests {
    private final class Met: Sendable {
        private let list = Mutex<[Int]>([])

        var numbers: [Int] { list.withLock { $0 } }
        func append(_ entry: LogEntry) { list.withLock { $0.append(entry.document["n"]?.intValue ?? -1) } }
    }

    /// Follows while `body` runs.
    private func follow(
        _ hub: Hub,
        _ filter: Filter = .all,
        newest: Int? = nil,
        _ body: (Met) async throws -> Void
    ) async throws {
        let met = Met()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await hub.followLogs(.training, filter, newest: newest) { met.append($0) } }
            defer { group.cancelAll() }
            try await body(met)
        }
    }

    private func entries(_ numbers: Range<Int>) -> [BSONDocument] {
        numbers.map { ["n": .init(smallest: $0), "odd": .bool($0 % 2 == 1)] }
    }

    @Test func `A follower gets what is there and what comes, each once, by its filter`() async throws {
        try await withTestHub { hub in
            try await hub.saveLogs(.training, entries(0..<10))
            try await follow(hub, "odd" == true, newest: 2) { met in
                #expect(await eventually { met.numbers == [7, 9] })
                for start in stride(from: 10, to: 3000, by: 500) {
                    try await hub.saveLogs(.training, entries(start..<start + 500))
                }
                let all = [7, 9] + stride(from: 11, to: 3010, by: 2)
                #expect(await eventually { met.numbers.count >= all.count })
                #expect(met.numbers == all)
            }
        }
    }

    @Test func `Entries that come late, with an old time, are followed too`() async throws {
        try await withTestHub { hub in
            try await hub.saveLogs(.training, entries(0..<1))
            try await follow(hub) { met in
                #expect(await eventually { met.numbers == [0] })
                let old = try Hub.logDocument(
                    ["n": 1],
                    project: hub.project,
                    time: BSONDateTime(millisecondsSince1970: 1000),
                    origin: nil
                )
                try await hub.insertLogs(.training, [old])
                #expect(await eventually { met.numbers == [0, 1] })
            }
        }
    }

    @Test func `A follower goes on where its change stream is killed`() async throws {
        try await withTestHub { hub in
            try await follow(hub, newest: 0) { met in
                #expect(
                    try await eventually {
                        try await hub.saveLogs(.training, entries(0..<1))
                        return !met.numbers.isEmpty
                    }
                )
                // The cursor of the stream dies; the server says so at its next round trip.
                let cursors = try await hub.client.database("admin").runCommand([
                    "aggregate": 1, "cursor": [:],
                    "pipeline": [
                        ["$currentOp": ["idleCursors": true, "allUsers": true]],
                        ["$match": ["ns": .string("\(hub.database.name).TrainLog"), "cursor.tailable": true]],
                    ],
                ])
                let ids = (cursors.value(atPath: "cursor.firstBatch")?.arrayValue ?? []).compactMap {
                    $0.documentValue?.value(atPath: "cursor.cursorId")
                }
                #expect(!ids.isEmpty)
                try await hub.database.runCommand(["killCursors": "TrainLog", "cursors": .array(ids)])
                try await hub.saveLogs(.training, entries(1..<200))
                #expect(await eventually { Set(met.numbers).count == 200 })
                #expect(met.numbers.filter { $0 > 0 } == Array(1..<200))
            }
        }
    }

    @Test func `A standalone server is followed without a change stream`() async throws {
        try await withTemporaryDirectory { folder in
            try await withStandaloneMongod(folder) { uri in
                try await Hub.withHub(uri: uri) { hub in
                    try await hub.saveLogs(.training, entries(0..<300))
                    try await follow(hub, newest: 3) { met in
                        #expect(await eventually { met.numbers == [297, 298, 299] })
                        try await hub.saveLogs(.training, entries(300..<800))
                        #expect(await eventually { met.numbers.count >= 503 })
                        #expect(met.numbers == Array(297..<800))
                    }
                }
            }
        }
    }

    @Test func `Entries that were shown when MongoDB went away are not shown again`() async throws {
        try await withTestDatabase { admin, name in
            var options = MongoClient.Options()
            options.applicationName = "follow-\(UInt64.random(in: 0 ... .max))"
            let hub = try await Hub.connect(
                uri: try await TestMongo.uri(database: name),
                options: options,
                patience: nil
            )
            // The server gives a hundred, then 16 MiB at a time.
            let note = BSONValue.string(String(repeating: "x", count: 60_000))
            for start in stride(from: 0, to: 400, by: 50) {
                let large = (start..<start + 50).map { n -> BSONDocument in ["n": .init(smallest: n), "note": note] }
                try await hub.saveLogs(.training, large)
            }
            let met = Met()
            let away = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                try await withFailCommand(
                    ["failCommands": ["getMore"], "closeConnection": true],
                    applicationName: options.applicationName,
                    skipping: 1,
                    client: admin
                ) {
                    group.addTask {
                        let interrupted = { @Sendable (_: HubError) in _ = away.next() }
                        try await hub.followLogs(.training, onInterruption: interrupted) { met.append($0) }
                    }
                    #expect(await eventually { away.value > 0 })
                    #expect(!met.numbers.isEmpty && met.numbers.count < 400)
                }
                #expect(await eventually { met.numbers.count >= 400 })
                try await hub.saveLogs(.training, entries(400..<500))
                #expect(await eventually { met.numbers.count >= 500 })
                group.cancelAll()
            }
            #expect(met.numbers == Array(0..<500))
            await hub.close()
        }
    }

    @Test func `A filter that MongoDB cannot use ends the following`() async throws {
        try await withTestHub { hub in
            await #expect(throws: HubError.self) {
                try await hub.followLogs(.training, Filter(["$nonsense": 1])) { _ in }
            }
        }
    }

    @Test func `Identifiers beyond the capacity are forgotten, the oldest first`() {
        var recent = RecentIDs(capacity: 2)
        #expect([1, 2, 1, 3, 2, 1].map { recent.insert(.int32($0)) } == [true, true, false, true, false, true])
    }
}
