import BSON
import Glibc
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

@Suite struct ContentCacheTests {
    private func stored(_ hub: Hub, _ path: String, _ bytes: [UInt8], mode: Int32 = 0o644) async throws -> StoredFile {
        StoredFile(path: path, mode: mode, blob: try await hub.saveBlob(bytes))
    }

    private func refusal(_ cache: ContentCache, _ files: [StoredFile], _ hub: Hub, _ target: String) async -> HubError?
    {
        do throws(HubError) {
            _ = try await cache.fetch(files, in: .dataSets, of: hub, to: target)
            return nil
        } catch {
            return error
        }
    }

    private func status(_ path: String) throws -> stat {
        var status = stat()
        try #require(stat(path, &status) == 0, "\(path): \(String(cString: strerror(errno)))")
        return status
    }

    /// How many queries for chunks the server has answered a client of that name for this database: its profile knows.
    private func profiled(_ hub: Hub, _ body: () async throws -> Void) async throws -> Int {
        try await hub.database.runCommand(["profile": 2])
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        try await hub.database.runCommand(["profile": 0])
        try result.get()
        let queries = hub.database.collection("system.profile")
        return try await queries.countDocuments(["command.find": ["$regex": "\\.chunks$"]])
    }

    @Test func `Files come under their paths, read-only and linked to the cache, and modes that run are copies`()
        async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                let bytes = noise(700_000)
                let files = [
                    try await stored(hub, "a/b/data.npy", bytes), try await stored(hub, "again", bytes),
                    try await stored(hub, "run.sh", Array("#!/bin/sh".utf8), mode: 0o755),
                    try await stored(hub, "empty", []),
                ]
                let content = try await cache.fetch(files, in: .dataSets, of: hub, to: "\(folder)/deep/target")
                #expect(content.folder == "\(folder)/deep/target")
                #expect(content.files.map(\.path) == ["a/b/data.npy", "again", "run.sh", "empty"])
                for (file, wanted) in zip(content.files, [bytes, bytes, Array("#!/bin/sh".utf8), []]) {
                    #expect(file.localPath == "\(content.folder)/\(file.path)")
                    #expect(try readFile(file.localPath) == wanted)
                }
                let linked = try status(content.files[0].localPath)
                #expect(linked.st_mode & 0o777 == 0o444)
                #expect(linked.st_nlink == 3)
                #expect(linked.st_mtim.tv_sec == 1)
                #expect(try status(content.files[1].localPath).st_ino == linked.st_ino)
                #expect(try status(content.files[2].localPath).st_mode & 0o777 == 0o555)
                #expect(entries("\(folder)/cache/locks").isEmpty)
                #expect(entries("\(folder)/cache/blobs").count == 3)
            }
        }
    }

    @Test func `The second use takes no byte from MongoDB`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                let file = try await stored(hub, "data", noise(3_000_000))
                _ = try await cache.fetch([file], in: .dataSets, of: hub, to: "\(folder)/one")
                // Nor does it need one.
                try await hub.database.drop()
                _ = try await cache.fetch([file], in: .dataSets, of: hub, to: "\(folder)/two")
                #expect(try readFile("\(folder)/two/data") == noise(3_000_000))
            }
        }
    }

    @Test func `Eight that want the same at once, from several clients, cause one download`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let bytes = noise(20_000_000)
                let file = try await stored(hub, "data", bytes)
                let uri = try await TestMongo.uri(database: hub.database.name)
                let queries = try await profiled(hub) {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for index in 0..<8 {
                            group.addTask {
                                try await Hub.withHub(uri: uri) { hub in
                                    let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                                    let target = "\(folder)/\(index)"
                                    _ = try await cache.fetch([file], in: .dataSets, of: hub, to: target)
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                }
                // 77 chunks, 4 a message.
                #expect(queries == 20)
                for index in 0..<8 { #expect(try readFile("\(folder)/\(index)/data") == bytes) }
                #expect(entries("\(folder)/cache/blobs") == [file.blob.sha256])
            }
        }
    }

    @Test func `What was touched is verified again, and what was changed is fetched again`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                let bytes = noise(500_000)
                let file = try await stored(hub, "data", bytes)
                let path = "\(folder)/cache/blobs/\(file.blob.sha256 ?? "")"
                _ = try await cache.fetch([file], in: .dataSets, of: hub, to: "\(folder)/one")
                let inode = try status(path).st_ino

                utimensat(AT_FDCWD, path, nil, 0)
                _ = try await cache.fetch([file], in: .dataSets, of: hub, to: "\(folder)/two")
                #expect(try status(path).st_ino == inode)
                #expect(try status(path).st_mtim.tv_sec == 1)

                chmod(path, 0o644)
                let descriptor = open(path, O_WRONLY)
                pwrite(descriptor, "x", 1, 1000)
                close(descriptor)
                _ = try await cache.fetch([file], in: .dataSets, of: hub, to: "\(folder)/three")
                #expect(try readFile("\(folder)/three/data") == bytes)
                #expect(try status(path).st_ino != inode)
            }
        }
    }

    @Test func `The least recently used goes first, and whoever has a link keeps it`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let cache = ContentCache(folder: "\(folder)/cache", limit: 250_000)
                var files: [StoredFile] = []
                for seed in 0..<4 {
                    files.append(try await stored(hub, "data", noise(100_000, seed: UInt64(seed + 1))))
                }
                let hashes = files.map { $0.blob.sha256 ?? "" }
                func use(_ index: Int, _ name: String) async throws {
                    _ = try await cache.fetch([files[index]], in: .dataSets, of: hub, to: "\(folder)/\(name)")
                }
                try await use(0, "a")
                try await use(1, "b")
                try await use(0, "c")
                try await use(2, "d")
                #expect(Set(entries("\(folder)/cache/blobs")) == [hashes[0], hashes[2]])
                #expect(try readFile("\(folder)/b/data") == noise(100_000, seed: 2))
                // More than the limit at once is not refused.
                let all = files.enumerated().map {
                    StoredFile(path: "\($0.offset)", mode: 0o644, blob: $0.element.blob)
                }
                _ = try await cache.fetch(all, in: .dataSets, of: hub, to: "\(folder)/all")
                try await use(3, "e")
                #expect(cache.size() <= 400_000)
            }
        }
    }

    @Test func `Contents whose hash nobody has stored are told apart by their database`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                let bytes = noise(300_000)
                let stored = try await hub.database.gridFS("datasetFilesystem").upload(
                    stream(bytes),
                    uploadDate: try await hub.serverTime()
                )
                let id = try #require(stored.id.objectIDValue)
                let file = StoredFile(path: "data", mode: 0o644, blob: Blob(id: id, length: 0, sha256: nil))
                for name in ["one", "two"] {
                    let target = "\(folder)/\(name)"
                    _ = try await cache.fetch([file], in: .dataSets, of: hub, to: target)
                    #expect(try readFile("\(target)/data") == bytes)
                }
                let names = entries("\(folder)/cache/blobs")
                #expect(names.count == 1)
                #expect(names.first?.hasPrefix("id-") == true)
                #expect(names.first?.hasSuffix("-\(id)") == true)
                #expect(try status("\(folder)/cache/blobs/\(names[0])").st_nlink == 3)
            }
        }
    }

    @Test func `What cannot be fetched leaves neither a folder nor half a file`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                let good = try await stored(hub, "good", noise(1000))
                let gone = Blob(id: ObjectID(), length: 5, sha256: String(repeating: "a", count: 64))
                let target = "\(folder)/target"
                let files = [good, StoredFile(path: "lost", mode: 0o644, blob: gone)]
                #expect(await refusal(cache, files, hub, target)?.code == .blobLost)
                var wrong = good
                wrong.blob.sha256 = String(repeating: "b", count: 64)
                #expect(await refusal(cache, [wrong], hub, target)?.code == .hashMismatch)
                for path in ["../out", "/etc/x", "a//b", "a/./b", "", "a\0b"] {
                    var file = good
                    file.path = path
                    #expect(await refusal(cache, [file], hub, target)?.field == "path")
                }
                #expect(entries(folder) == ["cache"])
                // Of the first try; it may have been cancelled before.
                #expect(Set(entries("\(folder)/cache/blobs")).isSubset(of: [good.blob.sha256 ?? ""]))
                #expect(entries("\(folder)/cache/locks").isEmpty)
            }
        }
    }

    @Test func `A process that was killed while it downloaded is in nobody's way`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                let file = try await stored(hub, "data", noise(1000))
                let hash = file.blob.sha256 ?? ""
                for name in ["cache", "cache/blobs", "cache/locks"] { mkdir("\(folder)/\(name)", 0o755) }
                try writeFile("\(folder)/cache/blobs/\(hash).partial", "half")
                try writeFile("\(folder)/cache/blobs/\(String(repeating: "c", count: 64)).partial", "half of another")
                try writeFile("\(folder)/cache/locks/\(hash)", "")
                _ = try await cache.fetch([file], in: .dataSets, of: hub, to: "\(folder)/target")
                #expect(try readFile("\(folder)/target/data") == noise(1000))
                #expect(entries("\(folder)/cache/blobs") == [hash])
                #expect(entries("\(folder)/cache/locks").isEmpty)
            }
        }
    }

    @Test func `A full disk is said so, and nothing half-written is left`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let blob = try await hub.saveBlob(noise(1000))
                mkdir("\(folder)/cache", 0o755)
                // The document says that the file is larger than any disk.
                try await hub.database.collection("datasetFilesystem.files").updateOne(
                    ["_id": .objectID(blob.id)],
                    .document(["$set": ["length": .int64(1 << 52)]])
                )
                let cache = ContentCache(folder: "\(folder)/cache", limit: 1 << 30)
                let file = StoredFile(path: "data", mode: 0o644, blob: blob)
                let error = await refusal(cache, [file], hub, "\(folder)/target")
                #expect(error?.code == .noSpace)
                #expect(entries("\(folder)/cache/blobs").isEmpty)
                #expect(entries(folder) == ["cache"])
            }
        }
    }

    @Test(.enabled(if: SmallDisk.obstacle == nil, "\(SmallDisk.obstacle ?? "")"))
    func `On a full disk nothing half-written stays, what is there serves on, and room is used at once`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let disk = try SmallDisk(at: "\(folder)/disk")
                defer { disk.remove() }
                let root = "\(disk.path)/cache"
                let small = try await stored(hub, "small", noise(1_000_000))
                let other = try await stored(hub, "other", noise(3_000_000, seed: 2))
                let large = try await stored(hub, "large", noise(6_000_000, seed: 3))
                let vast = try await stored(hub, "vast", noise(SmallDisk.size + 1, seed: 4))
                // Far more than the disk has.
                let wide = ContentCache(folder: root, limit: 1 << 30)
                _ = try await wide.fetch([small], in: .dataSets, of: hub, to: "\(disk.path)/one")
                for files in [[vast], [small, vast], [other, large]] {
                    #expect(await refusal(wide, files, hub, "\(disk.path)/two")?.code == .noSpace)
                    #expect(entries(disk.path).sorted() == ["cache", "one"])
                    #expect(entries("\(root)/blobs").allSatisfy { !$0.hasSuffix(".partial") })
                    #expect(entries("\(root)/locks").isEmpty)
                }
                _ = try await wide.fetch([small], in: .dataSets, of: hub, to: "\(disk.path)/two")
                #expect(try readFile("\(disk.path)/two/small") == noise(1_000_000))
                // A limit that fits the disk makes room for what failed.
                let fitting = ContentCache(folder: root, limit: 7_000_000)
                _ = try await fitting.fetch([large], in: .dataSets, of: hub, to: "\(disk.path)/three")
                #expect(try readFile("\(disk.path)/three/large") == noise(6_000_000, seed: 3))
                #expect(entries("\(root)/blobs").contains(large.blob.sha256 ?? ""))
            }
        }
    }

    @Test func `Many files fetched at once are within the limit at the end, whatever lengths the documents tell`()
        async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let root = "\(folder)/cache"
                let limit: Int64 = 300_000
                var sets: [[StoredFile]] = []
                for set in UInt64(0)..<4 {
                    var files: [StoredFile] = []
                    for index in UInt64(0)..<25 {
                        files.append(try await stored(hub, "\(index)", noise(10_000, seed: 1 + set * 100 + index)))
                    }
                    sets.append(files)
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (index, files) in sets.enumerated() {
                        group.addTask {
                            let cache = ContentCache(folder: root, limit: limit)
                            let content = try await cache.fetch(files, in: .dataSets, of: hub, to: "\(folder)/\(index)")
                            #expect(try content.files.allSatisfy { try readFile($0.localPath).count == 10_000 })
                        }
                    }
                    try await group.waitForAll()
                }
                let cache = ContentCache(folder: root, limit: limit)
                #expect(cache.size() <= limit)
                #expect(entries("\(root)/locks").isEmpty)
                // A document that anybody may have written.
                var odd = sets[0]
                for index in odd.indices { odd[index].blob.length = index % 2 == 0 ? .max : .min }
                _ = try await cache.fetch(odd, in: .dataSets, of: hub, to: "\(folder)/odd")
                #expect(try readFile("\(folder)/odd/0") == readFile("\(folder)/0/0"))
            }
        }
    }

    @Test func `The cache is looked through a few times in all, not for each file`() {
        let names = (0..<10_000).map { "\($0)" }
        let missing = Dictionary(uniqueKeysWithValues: names.map { ($0.bytes, Int64(1000)) })
        let room = FetchRoom(wanted: Set(names.map(\.bytes)), missing: missing, step: 1_250_000)
        #expect(room.rest == 10_000_000)
        #expect(names.filter { room.arrived($0) }.count == 7)
        #expect(room.rest == 0)
        #expect(!room.arrived("0") && !room.arrived("another"))
    }
}
