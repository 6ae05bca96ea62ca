import BSON
import Files
import Glibc
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import TaskRunner

/// Files where a script may have put something else, and work that takes long.
@Suite(.timeLimit(.minutes(30))) struct LocalFileTests {
    @Test func `A named pipe in the place of a file is refused, and nobody waits for its other end`() async throws {
        try await withTemporaryDirectory { folder in
            let pipe = "\(folder)/pipe"
            try #require(mkfifo(pipe, 0o600) == 0)
            let state = StateFolder(folder)
            #expect(throws: FileError.self) { try LocalFile.sync(pipe, in: state) }
            #expect(throws: FileError.self) { try LocalFile.append([1], to: pipe, in: state) }
            #expect(throws: FileError.self) { try LocalFile.move(pipe, to: "\(folder)/moved", in: state) }
            #expect(throws: FileError.self) { try LocalFile.Copy(pipe, to: "\(folder)/copy", in: state) }
            // Where a file of ours is to be, it goes.
            try #require(mkfifo("\(folder)/.claim.new", 0o600) == 0)
            try state.open(folder).replace("claim", [1])
            #expect(entries(folder).sorted() == ["claim", "pipe"])
        }
    }

    @Test func `An outbox puts its files in the place of named pipes`() async throws {
        let record = OutboxRecord(kind: .trainingLog, payload: ["loss": 0.5])
        try await withTemporaryDirectory { folder in
            try #require(mkfifo("\(folder)/1", 0o600) == 0)
            let outbox = Outbox(folder)
            try outbox.recover()
            #expect(outbox.end == Outbox.Position(segment: 1, offset: 0))
            _ = try outbox.append([record])
            #expect(try outbox.next(after: outbox.delivered, limit: 1)?.records == [record])
        }
        try await withTemporaryDirectory { folder in
            try writeFile("\(folder)/outbox", "x")
            let outbox = Outbox("\(folder)/outbox")
            #expect(try outbox.recover())
            _ = try outbox.append([record])
            #expect(entries(folder).sorted() == ["outbox", "outbox.damaged"])
        }
        try await withTemporaryDirectory { folder in
            let outbox = Outbox(folder)
            let end = try outbox.append([record])
            try #require(mkfifo("\(folder)/position", 0o600) == 0)
            try outbox.setDelivered(Outbox.Position(segment: 1, offset: 0))
            unlink("\(folder)/1")
            try #require(mkfifo("\(folder)/1", 0o600) == 0)
            // What was there is lost, as with a segment that was removed, and nobody waits for it.
            let batch = try #require(try outbox.next(after: outbox.delivered, limit: 1))
            #expect(batch.records.isEmpty && batch.damaged == end.offset && batch.end == end)
        }
    }

    @Test func `Files are copied a piece at a time, many small ones too`() async throws {
        try await withTemporaryDirectory { folder in
            var files: [(source: String, target: String)] = []
            for index in 0..<300 {
                try writeFile("\(folder)/\(index)", "\(index)")
                files.append(("\(folder)/\(index)", "\(folder)/copy-\(index)"))
            }
            try writeFile("\(folder)/300", String(repeating: "large ", count: 1 << 20))
            files.append(("\(folder)/300", "\(folder)/copy-300"))
            let copies = FileCopies(files, in: StateFolder(folder))
            #expect(try copies.copyPiece(), "there is more than one piece")
            while try copies.copyPiece() {}
            for file in files { #expect(try readFile(file.target) == readFile(file.source)) }
        }
    }

    @Test func `A script is told to stop while every thread is busy, and the reason is written once one is free`()
        async throws
    {
        try await withAttempts { attempts in
            let pool = NIOThreadPool(numberOfThreads: 1)
            pool.start()
            let isFree = Mutex(false)
            pool.submit { _ in while !isFree.withLock({ $0 }) { usleep(1000) } }
            let launched = try attempts.launcher.launch(attempts.plan("#!/bin/sh\nexec sleep 1000"))
            _ = try await eventually { try launched.directory.processes() != nil }
            let control = AttemptControl(pool)
            control.attach(launched.directory, launched.process)
            control.stop(.cancelled)
            #expect(await launched.process.wait() == .exited(0))
            #expect(try launched.directory.stopReason() == nil)
            isFree.withLock { $0 = true }
            #expect(try await eventually { try launched.directory.stopReason() == "cancelled" })
            try await pool.shutdownGracefully()
        }
    }
}
