import Glibc
import TestSupport
import Testing

@testable import Files

/// Single files, and what the system says of them.
@Suite(.timeLimit(.minutes(30))) struct OpenFileTests {
    @Test func `Bytes are written where they are to be, and read whole, in part and past the end`() async throws {
        try await withTemporaryDirectory { folder in
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
            let file = try OpenFile("\(folder)/file", O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
            try file.write(bytes)
            try file.write([1, 2, 3], at: 10)
            try file.synchronize()
            let (middle, tail, none) = try (
                file.read(at: 9, upTo: 5), file.read(at: 99_999, upTo: 100), file.read(at: 100_000, upTo: 1)
            )
            #expect(middle == [9, 1, 2, 3, 13] && tail == [UInt8(truncatingIfNeeded: 99_999)] && none.isEmpty)
            let (all, start) = try (
                OpenFile("\(folder)/file").readAll().count, OpenFile("\(folder)/file").readAll(limit: 10).count
            )
            #expect(all == 100_000 && start > 10 && start < 100_000)
            let isRegular = try (file.isRegular, OpenFile(folder).isRegular)
            #expect(isRegular.0 && !isRegular.1)
        }
    }

    @Test func `Of two who open a file one has its lock, until the file is closed`() async throws {
        try await withTemporaryDirectory { folder in
            func tryLock() throws -> Bool { try OpenFile("\(folder)/lock", O_RDWR | O_CREAT, mode: 0o600).lock() }
            func hold(_ body: () throws -> Bool) throws -> (Bool, Bool) {
                let file = try OpenFile("\(folder)/lock", O_RDWR | O_CREAT, mode: 0o600)
                return (try file.lock(isWaiting: true), try body())
            }
            let (isHeld, isHeldTwice) = try hold(tryLock)
            #expect(isHeld && !isHeldTwice)
            #expect(try tryLock())
        }
    }

    @Test func `A call that fails says what was to be done, where and why, and whether a later one may succeed`() {
        let error = #expect(throws: FileError.self) { _ = try OpenFile("/nowhere/file", toDo: "read") }
        #expect(error?.description == "cannot read '/nowhere/file': No such file or directory")
        #expect(error?.isOfPath == true && error?.mayPass == false && error?.isFull == false)
        for number in [EMFILE, ENFILE, ENOMEM, EAGAIN, EIO, EROFS, ENOSPC, EDQUOT] {
            #expect(FileError("open", "file", number).mayPass)
        }
        // These are a script's doing, and stay so.
        for number in [ENOENT, ENOTDIR, ELOOP, EACCES, EPERM, EISDIR, ESPIPE, EFBIG] {
            #expect(!FileError("open", "file", number).mayPass)
        }
    }

    @Test(.enabled(if: SmallDisk.obstacle == nil)) func `A full disk is told from all else`() async throws {
        try await withTemporaryDirectory { folder in
            let disk = try SmallDisk(at: "\(folder)/disk")
            defer { disk.remove() }
            disk.fill()
            let error = #expect(throws: FileError.self) {
                try OpenFile("\(disk.path)/file", O_WRONLY | O_CREAT, mode: 0o600).write(
                    [UInt8](repeating: 1, count: 1 << 16)
                )
            }
            #expect(error?.isFull == true && error?.mayPass == true && error?.verb == "write")
            let replaced = #expect(throws: FileError.self) {
                try LocalFolder(disk.path).replace("file", [UInt8](repeating: 2, count: 1 << 16), isSynced: true)
            }
            #expect(replaced?.isFull == true)
            disk.free()
            try LocalFolder(disk.path).replace("file", [2], isSynced: true)
            #expect(try readFile("\(disk.path)/file") == [2])
        }
    }

    @Test func `Names are listed as the bytes that they are`() async throws {
        try await withTemporaryDirectory { folder in
            let odd: [UInt8] = [0x66, 0xFF]
            (Array("\(folder)/".utf8) + odd + [0]).withUnsafeBufferPointer { name in
                name.withMemoryRebound(to: CChar.self) { _ = mkdir($0.baseAddress!, 0o755) }
            }
            let (bytes, names) = try (LocalFolder.names(in: folder), LocalFolder(folder).names())
            #expect(bytes == [odd] && names == ["f\u{FFFD}"] && GuardedPath.names(folder) == names)
            #expect(FolderTree.remove(folder) == 0)
        }
    }

    @Test func `Folders are made with all that are missing above them, and one with a name of its own`() async throws {
        try await withTemporaryDirectory { folder in
            try LocalFolder.make("\(folder)/a/b/c", mode: 0o700)
            try LocalFolder.make("\(folder)/a/b/c", mode: 0o700)
            try writeFile("\(folder)/file", "x")
            let error = #expect(throws: FileError.self) { try LocalFolder.make("\(folder)/file/d", mode: 0o700) }
            #expect(error?.number == ENOTDIR)
            let unique = try LocalFolder.makeUnique("\(folder)/server-")
            let other = try LocalFolder.makeUnique("\(folder)/server-")
            #expect(entries(unique).isEmpty && unique != other)
        }
    }
}
