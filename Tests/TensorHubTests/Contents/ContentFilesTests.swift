import BSON
import Files
import Glibc
import MongoDriver
import TestSupport
import Testing

@testable import TensorHub

/// Content from the disk and back to it.
@Suite struct ContentFilesTests {
    @Test func `That the machine has no more descriptors or memory is not said of the path`() {
        for number in [EMFILE, ENFILE, EIO, ENOMEM] {
            #expect(HubError(FileError("read", "/x", number)).code == .database)
        }
        for number in [ENOENT, EISDIR, ENOTDIR, EACCES] {
            #expect(HubError(FileError("read", "/x", number)).code == .invalidInput)
        }
        #expect(HubError(FileError("write", "/x", ENOSPC)).code == .noSpace)
    }

    @Test func `A folder comes back as it was, with its modes, and nothing else beside it`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                mkdir("\(folder)/in", 0o755)
                mkdir("\(folder)/in/b", 0o755)
                mkdir("\(folder)/in/empty", 0o755)
                try writeFile("\(folder)/in/b/run.sh", "exit 0")
                chmod("\(folder)/in/b/run.sh", 0o755)
                try writeFile("\(folder)/in/a.txt", "a")
                try writeFile("\(folder)/in/.hidden", "")
                let saved = try await hub.saveDataSet(.folder("\(folder)/in"), name: "set")
                #expect(saved.kind == .folder && saved.files.map(\.path) == [".hidden", "a.txt", "b/run.sh"])
                let local = try await hub.download(saved, to: "\(folder)/deep/out/")
                #expect(local.folder == "\(folder)/deep/out" && local.files.map(\.path) == saved.files.map(\.path))
                #expect(try readFile("\(folder)/deep/out/b/run.sh") == Array("exit 0".utf8))
                var status = stat()
                stat("\(folder)/deep/out/b/run.sh", &status)
                #expect(status.st_mode & 0o777 == 0o755)
                #expect(entries("\(folder)/deep") == ["out"])

                let again = await #expect(throws: HubError.self) {
                    try await hub.download(saved, to: "\(folder)/deep/out")
                }
                #expect(again?.field == "folder")
                #expect(entries("\(folder)/deep") == ["out"])
                try await hub.download(saved, to: "\(folder)/part", shard: Shard("1/2"))
                #expect(entries("\(folder)/part") == ["a.txt"])
            }
        }
    }

    @Test func `A file in pieces is joined again, each piece a blob of its own`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let text = String(repeating: "0123456789abcdef", count: 20_000) + "end"
                try writeFile("\(folder)/big.bin", text)
                let saved = try await hub.saveDataSet(.file("\(folder)/big.bin", pieceSize: 100_000), name: "big")
                #expect(saved.kind == .file && saved.size == Int64(text.utf8.count))
                #expect(saved.files.map(\.path) == (0..<4).map { "big.bin.00000\($0)" })
                var bytes: [UInt8] = []
                for file in saved.files { for try await piece in hub.read(file, in: .dataSets) { bytes += piece } }
                #expect(bytes == Array(text.utf8))
                // One that is small enough stays whole.
                #expect(try Content.file("\(folder)/big.bin", pieceSize: 1 << 20).files.map(\.path) == ["big.bin"])
                for size: Int64 in [0, -1, 1000] {
                    #expect { try Content.file("\(folder)/big.bin", pieceSize: size) } throws: {
                        ($0 as? HubError)?.field == "piece_size"
                    }
                }
            }
        }
    }

    @Test func `What is no plain file is refused with what to do`() async throws {
        try await withTemporaryDirectory { folder in
            mkdir("\(folder)/links", 0o755)
            symlink("/etc/passwd", "\(folder)/links/a")
            mkdir("\(folder)/pipes", 0o755)
            mkfifo("\(folder)/pipes/p", 0o600)
            mkdir("\(folder)/none", 0o755)
            try writeFile("\(folder)/text", "text")
            let attempts: [(String, () throws -> Content)] = [
                ("a symbolic link", { try .folder("\(folder)/links") }),
                ("no regular file", { try .folder("\(folder)/pipes") }),
                ("has no file", { try .folder("\(folder)/none") }), ("is no folder", { try .folder("\(folder)/text") }),
                ("is a folder", { try .file("\(folder)/none") }), ("does not exist", { try .file("\(folder)/absent") }),
                ("no regular file", { try .file("\(folder)/pipes/p") }),
                ("neither a .npy", { try .arrays(["\(folder)/text"]) }),
            ]
            for (words, attempt) in attempts {
                #expect { try attempt() } throws: {
                    let error = $0 as? HubError
                    return error?.field == "files" && error?.message.contains(words) == true
                }
            }
        }
    }

    @Test func `A stored path that leads out of the folder writes nothing`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let saved = try await hub.saveDataSet(.bytes([1], as: "f"), name: "set")
                try await hub.database.collection("Dataset").updateOne(
                    [:],
                    .document(["$set": ["hub.files.0.path": "../outside"]])
                )
                let record = try await hub.findDataSet(ContentQuery(name: "set"))
                let error = await #expect(throws: HubError.self) { try await hub.download(record, to: "\(folder)/out") }
                #expect(error?.field == "files" && entries(folder).isEmpty)
                #expect(saved.files[0].path == "f")
            }
        }
    }

    @Test func `A folder of the user's own that cannot be read is refused and keeps its mode`() async {
        await #expect(processExitsWith: .success) {
            try await withTemporaryDirectory { folder in
                Unprivileged.become(owning: folder)
                let path = "\(folder)/set"
                mkdir(path, 0o755)
                try writeFile("\(path)/file", "x")
                for mode in [0o400, 0o200] as [mode_t] {
                    chmod(path, mode)
                    let error = #expect(throws: HubError.self) { try Content.folder(path) }
                    try #require(error?.message.contains(path) == true)
                    var status = stat()
                    try #require(stat(path, &status) == 0 && status.st_mode & 0o777 == mode)
                }
                chmod(path, 0o755)
            }
        }
    }

    @Test func `A blob that has vanished is a clear error, and no folder is left`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let saved = try await hub.saveDataSet(.bytes([1, 2], as: "f"), name: "set")
                try await hub.database.collection("datasetFilesystem.files").deleteMany([:])
                let error = await #expect(throws: HubError.self) { try await hub.download(saved, to: "\(folder)/out") }
                #expect(error?.code == .blobLost)
                #expect(entries(folder).isEmpty)
            }
        }
    }
}
