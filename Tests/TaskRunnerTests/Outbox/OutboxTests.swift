import BSON
import Files
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import TaskRunner

@Suite struct OutboxTests {
    private func record(_ number: Int, filling: Int = 0) -> OutboxRecord {
        OutboxRecord(
            kind: number.isMultiple(of: 3) ? .validationLog : .trainingLog,
            payload: ["n": .init(smallest: number), "ballast": .string(String(repeating: "x", count: filling))]
        )
    }

    /// Everything that is not delivered, in order, and delivered with that.
    private func drain(_ outbox: Outbox, limit: Int = 1000) throws -> [OutboxRecord] {
        var found: [OutboxRecord] = []
        while let batch = try outbox.next(after: outbox.delivered, limit: limit) {
            #expect(batch.damaged == 0 && batch.records.count <= limit)
            found += batch.records
            try outbox.setDelivered(batch.end)
        }
        return found
    }

    @Test func `The checksum is that of zip`() {
        #expect(CRC32.of(Array("123456789".utf8)[...]) == 0xCBF4_3926)
    }

    @Test func `Nothing is on the disk before the first record`() async throws {
        try await withTemporaryDirectory { folder in
            let outbox = Outbox("\(folder)/outbox")
            try outbox.recover()
            #expect(try outbox.next(after: outbox.delivered, limit: 10) == nil)
            #expect(entries(folder).isEmpty)
        }
    }

    @Test(arguments: [1, 7, 1000]) func `Records come back in order over many segments, and segments go away`(
        limit: Int
    )
        async throws
    {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/outbox"
            let outbox = Outbox(path, segmentSize: 4096)
            let all = (0..<500).map { record($0, filling: 100) }
            for start in stride(from: 0, to: 500, by: 5) { _ = try outbox.append(Array(all[start..<start + 5])) }
            #expect(entries(path).count > 10)
            #expect(try drain(outbox, limit: limit) == all)
            #expect(entries(path).count == 2, "the last segment and the position")
            _ = try outbox.append([record(500)])
            #expect(try drain(outbox) == [record(500)])
        }
    }

    @Test func `Records that could not be synced were not written, and those before a change of segments are synced`()
        async throws
    {
        try await withTemporaryDirectory { folder in
            let syncs = Mutex((count: 0, isFailing: false))
            let outbox = Outbox("\(folder)/outbox", segmentSize: 100) { file in
                syncs.withLock { state in
                    state.count += 1
                    if state.isFailing { errno = EIO }
                    return state.isFailing ? -1 : fdatasync(file)
                }
            }
            let before = try outbox.append([record(1)])
            #expect(syncs.withLock { $0.count } == 0)
            syncs.withLock { $0.isFailing = true }
            #expect(throws: FileError.self) { try outbox.append([record(2, filling: 200)], isSynced: true) }
            #expect(outbox.end == before)
            let heir = Outbox("\(folder)/outbox", segmentSize: 100)
            try heir.recover()
            #expect(heir.end == before)
            _ = try outbox.append([record(3, filling: 200)])
            #expect(throws: FileError.self) { try outbox.append([record(4)]) }
            syncs.withLock { $0 = (0, false) }
            _ = try outbox.append([record(5)], isSynced: true)
            #expect(
                syncs.withLock { $0.count } == 3,
                "the segment that is left, the new one, and the folder with its name"
            )
            #expect(try drain(outbox) == [record(1), record(3, filling: 200), record(5)])
        }
    }

    @Test func `A record longer than a reading is read whole`() async throws {
        try await withTemporaryDirectory { folder in
            let outbox = Outbox("\(folder)/outbox")
            let all = [record(1), record(2, filling: 3 << 20), record(4), record(5, filling: 2 << 20)]
            _ = try outbox.append(all)
            #expect(try drain(outbox) == all)
            let heir = Outbox("\(folder)/outbox")
            try heir.recover()
            #expect(heir.end == outbox.end)
        }
    }

    @Test func `An heir goes on where the delivery stood`() async throws {
        try await withTemporaryDirectory { folder in
            let all = (0..<100).map { record($0, filling: 50) }
            var outbox = Outbox("\(folder)/outbox", segmentSize: 1000)
            _ = try outbox.append(all)
            let batch = try #require(try outbox.next(after: outbox.delivered, limit: 30))
            try outbox.setDelivered(batch.end)
            outbox = Outbox("\(folder)/outbox", segmentSize: 1000)
            try outbox.recover()
            _ = try outbox.append([record(100)])
            #expect(try drain(outbox) == all[30...] + [record(100)])
        }
    }

    @Test func `Wherever a write is cut off, the whole records stay and new ones follow them`() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/outbox"
            let outbox = Outbox(path)
            let all = (0..<3).map { record($0) }
            let whole = try outbox.append(all)
            let end = try outbox.append([record(3)])
            for length in whole.offset..<end.offset {
                truncate("\(path)/1", off_t(length))
                let heir = Outbox(path)
                try heir.recover()
                #expect(heir.end == whole)
                _ = try heir.append([record(9)])
                let batch = try #require(try heir.next(after: heir.delivered, limit: 10))
                #expect(batch.records == all + [record(9)])
            }
        }
    }

    @Test func `What the disk has damaged is told and the next segment still read`() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/outbox"
            let outbox = Outbox(path, segmentSize: 100)
            _ = try outbox.append([record(0, filling: 200)])
            _ = try outbox.append([record(1)])
            let file = open("\(path)/1", O_WRONLY)
            pwrite(file, "????", 4, 30)
            close(file)
            let batch = try #require(try outbox.next(after: outbox.delivered, limit: 10))
            #expect(batch.records.isEmpty && batch.damaged > 0)
            try outbox.setDelivered(batch.end)
            #expect(try drain(outbox) == [record(1)])
        }
    }

    @Test func `A segment that somebody has removed takes no other with it`() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/outbox"
            let outbox = Outbox(path, segmentSize: 100)
            for number in 0..<4 { _ = try outbox.append([record(number, filling: 200)]) }
            unlink("\(path)/2")
            var found: [OutboxRecord] = []
            var damaged: Int64 = 0
            while let batch = try outbox.next(after: outbox.delivered, limit: 10) {
                found += batch.records
                damaged += batch.damaged
                try outbox.setDelivered(batch.end)
            }
            #expect(found == [0, 2, 3].map { record($0, filling: 200) } && damaged > 0)
        }
    }

    @Test func `A last segment that a script has ruined is left as it is, and the next one begins`() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/outbox"
            _ = try Outbox(path).append([record(1)])
            link("\(path)/1", "\(folder)/foreign")
            let before = try readFile("\(folder)/foreign")
            var heir = Outbox(path)
            try heir.recover()
            #expect(try heir.append([record(2)]).segment == 2)
            #expect(try readFile("\(folder)/foreign") == before)
            // What is ruined after the recovery is noticed with the next record.
            heir = Outbox(path)
            try heir.recover()
            unlink("\(path)/2")
            mkfifo("\(path)/2", 0o600)
            #expect(try heir.append([record(3)]).segment == 3)
        }
    }

    @Test func `A file with a number far from all others is no segment`() async throws {
        try await withTemporaryDirectory { folder in
            let outbox = Outbox("\(folder)/outbox")
            let end = try outbox.append([record(1)])
            try writeFile("\(folder)/outbox/\(1 << 39)", "x")
            let heir = Outbox("\(folder)/outbox")
            try heir.recover()
            #expect(heir.end == end)
            #expect(try drain(heir) == [record(1)])
        }
    }
}
