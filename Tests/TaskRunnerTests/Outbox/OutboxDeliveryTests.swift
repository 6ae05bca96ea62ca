import BSON
import Files
import Glibc
import Logging
import MongoDriver
import NIOPosix
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// The parts between a script and MongoDB without a runner: what stays when the disk, MongoDB or the process fails.
@Suite(.timeLimit(.minutes(30))) struct OutboxDeliveryTests {
    private func steps(_ hub: Hub) async throws -> [Int] {
        try await hub.database.collection("TrainLog").findAll([:]).compactMap { $0["step"]?.intValue }.sorted()
    }

    // MARK: Checkpoints

    @Test func `Under the next runner the numbers of checkpoints go on behind those that are written down`()
        async throws
    {
        try await withAttempt { attempt in
            try writeFile("\(attempt.directory.checkpointPath)/state", "one")
            let first = attempt.delivery()
            let before = attempt.backend(first)
            for _ in 0..<3 { try await before.storeCheckpoint() }
            #expect(first.newestCheckpoint == 3 && attempt.kept == ["checkpoint.3"])
            // Copies whose records did not come to be written, and what the script may have made.
            for name in ["checkpoint.4", "checkpoint.9", "checkpoint.9223372036854775807", ".checkpoint.4"] {
                mkdir("\(attempt.directory.keptPath)/\(name)", 0o700)
                try writeFile("\(attempt.directory.keptPath)/\(name)/0", "half")
            }
            let second = attempt.delivery()
            try await second.recover()
            #expect(second.newestCheckpoint == 3, "the third is still worth storing")
            try writeFile("\(attempt.directory.checkpointPath)/state", "two")
            let after = attempt.backend(second)
            try await after.storeCheckpoint()
            #expect(second.newestCheckpoint == 4)
            let copy = try readFile("\(attempt.directory.keptPath)/checkpoint.4/0")
            #expect(String(decoding: copy, as: UTF8.self) == "two")
            #expect(!attempt.kept.contains("checkpoint.3") && !attempt.kept.contains(".checkpoint.4"))
            try await after.storeLastCheckpoint([], isDeclared: true)
            #expect(second.newestCheckpoint == 5)
        }
    }

    @Test(arguments: [0, -1, Int.max, Int(Int32.max)]) func `A number that no checkpoint can have supersedes none`(
        number: Int
    ) async throws {
        try await withAttempt { attempt in
            let first = attempt.delivery()
            try await first.append(
                [OutboxSink.checkpoint([], folder: "checkpoint.7", number: 7, isDeclared: true)],
                checkpoint: 7
            )
            try await first.append([OutboxSink.checkpoint([], folder: "checkpoint.0", number: number, isDeclared: true)]
            )
            let second = attempt.delivery()
            try await second.recover()
            #expect(second.newestCheckpoint == 7)
        }
    }

    // MARK: Files

    @Test func `A save that is repeated while the first one is half there is stored whole`() async throws {
        try await withAttempt { attempt in
            let id = ObjectID()
            func content(_ source: BlobSource) -> Content {
                Content(
                    kind: .folder,
                    files: ["a", "b"].map { SourceFile(path: $0, source: $0 == "a" ? .bytes([1]) : source) }
                )
            }
            // As after a kill: the first never ends.
            let (stream, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self)
            let killed = attempt.backend(attempt.delivery())
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let error = await #expect(throws: HubError.self) {
                        _ = try await killed.saveDataSet(content(.stream(stream)), name: "d", tags: [:], id: id)
                    }
                    #expect(error?.code == .invalidInput)
                }
                continuation.yield([2])
                #expect(
                    await eventually {
                        attempt.kept.contains { entries("\(attempt.directory.keptPath)/\($0)").count == 2 }
                    }
                )
                let delivery = attempt.delivery()
                try await delivery.recover()
                let backend = attempt.backend(delivery)
                for _ in 0..<2 {
                    _ = try await backend.saveDataSet(content(.bytes([2, 3])), name: "d", tags: [:], id: id)
                }
                #expect(try await attempt.deliver(delivery))
                #expect(delivery.refused == 0)
                continuation.finish(throwing: CancellationError())
                try await group.waitForAll()
            }
            let stored = try await attempt.hub.findDataSet(ContentQuery(name: "d"))
            #expect(stored.id == id && stored.files.map(\.blob.length) == [1, 2])
            #expect(attempt.kept.isEmpty)
        }
    }

    @Test(.enabled(if: SmallDisk.obstacle == nil))
    func `Files stay until it is written down that they are delivered`() async throws {
        try await withAttempt { attempt in
            let id = ObjectID()
            let content = Content(kind: .file, files: [SourceFile(path: "x", source: .bytes([1]))])
            let first = attempt.delivery()
            _ = try await attempt.backend(first).saveDataSet(content, name: "d", tags: [:], id: id)
            let position = "\(attempt.directory.outboxPath)/position"
            // Where a disk is mounted nothing can be put.
            let disk = try SmallDisk(at: position)
            let isDelivered = try await attempt.deliver(first)
            disk.remove()
            rmdir(position)
            #expect(isDelivered && attempt.kept == ["\(id)"])
            let second = attempt.delivery()
            try await second.recover()
            #expect(try await attempt.deliver(second))
            #expect(second.refused == 0 && attempt.kept.isEmpty)
        }
    }

    // MARK: What MongoDB does not take

    @Test(arguments: [13, 8000, 14031]) func `An error that is not of one document is waited out`(code: Int)
        async throws
    {
        try await withTestDatabase { client, name in
            var options = MongoClient.Options()
            options.applicationName = "refused-\(UInt32.random(in: 0...UInt32.max))"
            let hub = try await Hub.connect(
                uri: try await TestMongo.uri(database: name),
                options: options,
                patience: nil
            )
            try await withAttempt(hub) { attempt in
                let delivery = attempt.delivery()
                try await withFailCommand(
                    ["failCommands": ["insert"], "errorCode": .init(smallest: code)],
                    applicationName: options.applicationName,
                    times: 8,
                    client: client
                ) {
                    let isDone = try await attempt.deliver(delivery) {
                        try await delivery.append([attempt.log(1), attempt.log(2)])
                    }
                    #expect(isDone && delivery.refused == 0)
                }
                #expect(try await steps(hub) == [1, 2])
            }
            await hub.close()
        }
    }

    @Test func `A document that MongoDB refuses is left out alone`() async throws {
        try await withAttempt { attempt in
            try await attempt.hub.database.runCommand([
                "create": "TrainLog", "validator": ["step": ["$lt": 100]],
            ])
            let delivery = attempt.delivery()
            #expect(
                try await attempt.deliver(delivery) {
                    try await delivery.append([1, 100, 2, 3, 101, 4].map(attempt.log))
                }
            )
            #expect(delivery.refused == 2)
            #expect(try await steps(attempt.hub) == [1, 2, 3, 4])
        }
    }

    @Test func `Only what is said of a document is a refusal`() {
        func isRefusal(_ codes: [Int]) -> Bool {
            let errors = codes.enumerated().map { MongoError.WriteError(index: $0, code: $1, message: "no") }
            let error = MongoError(.write, "no", writeErrors: errors)
            return HubError(.invalidInput, "refused", underlying: error).isRefusal
        }
        #expect([[2], [121], [10334], [13027], [121, 11000]].allSatisfy(isRefusal))
        #expect(![[13], [8000], [14031], [1], [121, 13]].contains(where: isRefusal))
        #expect(HubError(.hashMismatch, "x").isRefusal && HubError(.invalidInput, "x").isRefusal)
        #expect(!HubError(.database, "x").isRefusal && !HubError(.noSpace, "x").isRefusal)
    }

    // MARK: A journal that cannot be read

    @Test func `While the journal cannot be read nothing is written over it, and it does not count as delivered`()
        async throws
    {
        try await withAttempt { attempt in
            let first = attempt.delivery()
            try await first.append([attempt.log(1)])
            let isFailing = Mutex(true)
            let sync: @Sendable (Int32) -> Int32 = { file in
                guard isFailing.withLock({ $0 }) else { return fsync(file) }
                errno = EIO
                return -1
            }
            let second = attempt.delivery(mustGiveUp: true, sync: sync)
            await #expect(throws: FileError.self) { try await second.recover() }
            let error = await #expect(throws: HubError.self) { try await second.append([attempt.log(2)]) }
            #expect(error?.code == .database)

            let third = attempt.delivery(sync: sync)
            await #expect(throws: FileError.self) { try await third.recover() }
            let isDone = try await attempt.deliver(third) {
                isFailing.withLock { $0 = false }
                #expect(await eventually { (try? await third.append([attempt.log(3)])) != nil })
            }
            #expect(isDone && third.refused == 0)
            #expect(try await steps(attempt.hub) == [1, 3])
        }
    }

    // MARK: What the client could not send

    @Test func `One bad entry of what could not be sent does not take the others with it`() async throws {
        try await withAttempt { attempt in
            let entries = [#"{"step": 1}"#, #"{"step": 2, "hub": 1}"#, "7", #"{"step": 3}"#].joined(separator: ", ")
            try writeFile(
                attempt.directory.unsentPath,
                #"{"path": "/v1/logs/training", "body": [\#(entries)]}"# + "\n"
            )
            let delivery = attempt.delivery()
            try delivery.take(UnsentRequests(backend: attempt.backend(delivery)))
            #expect(try await attempt.deliver(delivery))
            #expect(delivery.refused == 2)
            #expect(try await steps(attempt.hub) == [1, 3])
            #expect(access(attempt.directory.unsentPath, F_OK) != 0)
        }
    }

    @Test func `What could not be sent is there once, in order, also where it is taken twice`() async throws {
        try await withAttempt { attempt in
            let given = ObjectID()
            let lines = [
                #"{"path": "/v1/logs/training", "body": [{"step": 1}, {"step": 2}]}"#,
                #"{"path": "/v1/logs/training", "body": {"step": 3, "_id": {"$oid": "\#(given)"}}}"#,
                #"{"path": "/v1/logs/training", "body": {"step": 4}}"#,
            ]
            let text = lines.map { $0 + "\n" }.joined()
            let delivery = attempt.delivery()
            for _ in 0..<2 {
                // As it is where the disk is full before the end of it, and has room again under the next runner.
                try writeFile(attempt.directory.unsentPath, text)
                try delivery.take(UnsentRequests(backend: attempt.backend(delivery)))
            }
            #expect(try await attempt.deliver(delivery))
            #expect(delivery.refused == 0)
            let entries = try await attempt.hub.logs(.training)
            #expect(try await steps(attempt.hub) == [1, 2, 3, 4])
            let own = entries.filter { $0.document["_id"] != .objectID(given) }
            #expect(own.compactMap { $0.document["step"]?.intValue } == [1, 2, 4])
            let ids = own.compactMap { $0.document["_id"]?.objectIDValue }
            #expect(ids.count == 3 && ids == ids.sorted())
        }
    }

    @Test func `What could not be sent stays where the disk does not let it be taken`() async throws {
        try await withAttempt { attempt in
            try await attempt.delivery().append([attempt.log(1)])
            try writeFile(attempt.directory.unsentPath, #"{"path": "/v1/logs/training", "body": {"step": 2}}"# + "\n")
            let delivery = attempt.delivery(mustGiveUp: true) { _ in
                errno = EIO
                return -1
            }
            await #expect(throws: FileError.self) { try await delivery.recover() }
            #expect(throws: FileError.self) {
                try delivery.take(UnsentRequests(backend: attempt.backend(delivery)))
            }
            #expect(try await !attempt.deliver(delivery))
            #expect(access(attempt.directory.unsentPath, F_OK) == 0)
        }
    }

    @Test func `A checkpoint that was declared is on the disk before it is acknowledged, its folders' names too`()
        async throws
    {
        try await withAttempt { attempt in
            let synced = Mutex<[String]>([])
            let delivery = attempt.delivery { file in
                var buffer = [CChar](repeating: 0, count: 4096)
                let count = readlink("/proc/self/fd/\(file)", &buffer, buffer.count)
                let path = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
                synced.withLock { $0.append(path) }
                return fsync(file)
            }
            mkdir(attempt.directory.checkpointPath, 0o755)
            mkdir("\(attempt.directory.checkpointPath)/a", 0o755)
            try writeFile("\(attempt.directory.checkpointPath)/a/epoch", "7")
            try writeFile("\(attempt.directory.checkpointPath)/state", "7")
            try writeFile("\(attempt.directory.journalPath)/claim.json", "{}")
            try await attempt.backend(delivery).storeCheckpoint()
            let (kept, journal) = (attempt.directory.keptPath, attempt.directory.journalPath)
            let paths = synced.withLock { $0 }
            let expected = [
                "\(kept)/.checkpoint.1/0", "\(kept)/.checkpoint.1/1", "\(kept)/.checkpoint.1", kept, journal,
                "\(journal)/claim.json", attempt.directory.path, attempt.directory.parent, "\(journal)/outbox/1",
                "\(journal)/outbox",
            ]
            for path in expected { #expect(paths.contains(path), "\(path) of \(paths)") }
            // The record names what is there already.
            let first = paths.firstIndex(of: "\(journal)/outbox/1") ?? 0
            #expect(first > paths.firstIndex(of: kept) ?? .max)
        }
    }

    @Test(arguments: ["ENOTDIR", "link", "far"])
    func `An outbox that a script has ruined does not keep the end of its attempt`(damage: String) async throws {
        try await withAttempt { attempt in
            let first = attempt.delivery()
            _ = try first.outbox.append([attempt.log(1)])
            let outbox = attempt.directory.outboxPath
            switch damage {
            case "far": try writeFile("\(outbox)/18446744073709551615", "x")
            case "link":
                removeTree(outbox)
                symlink("/tmp", outbox)
            default:
                removeTree(outbox)
                try writeFile(outbox, "x")
            }
            let heir = attempt.delivery()
            try await heir.recover()
            #expect(
                try await attempt.deliver(heir) {
                    try await heir.append([attempt.log(2)])
                }
            )
            #expect(try await steps(attempt.hub) == (damage == "far" ? [1, 2] : [2]))
        }
    }
}
