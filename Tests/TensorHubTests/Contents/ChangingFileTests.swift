import BSON
import Files
import Glibc
import MongoDriver
import Synchronization
import TestSupport
import Testing

@testable import TensorHub

/// A file that is written to while it is stored is read again, else refused: never a mixture of two states.
@Suite struct ChangingFileTests {
    private static let size = 4 << 20

    @Test(arguments: ["file", "pieces", "folder"])
    func `A file that is rewritten all the time is refused by name, and nothing is left`(_ kind: String) async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                mkdir("\(folder)/d", 0o755)
                let path = "\(folder)/d/f"
                try writeFile(path, [UInt8](repeating: 0, count: Self.size))
                try writeFile("\(folder)/d/other", "quiet")
                var content =
                    switch kind {
                    case "file": try Content.file(path)
                    case "pieces": try Content.file(path, pieceSize: 1 << 20)
                    default: try Content.folder("\(folder)/d")
                    }
                let quiet = content
                // Before every look: whoever is first, the two of a try differ.
                let reading = try #require(content.reading)
                let byte = Mutex<UInt8>(0)
                content.reading = Content.Reading(path: reading.path) { () throws(HubError) in
                    let next = byte.withLock { byte in
                        byte += 1
                        return byte
                    }
                    try? writeFile(path, [UInt8](repeating: next, count: Self.size))
                    return try reading.again()
                }
                let error = await #expect(throws: HubError.self) {
                    try await hub.saveDataSet(content, name: "changing")
                }
                #expect(
                    error?.isChange == true && error?.message.contains(path) == true,
                    "\(error.map { "\($0)" } ?? "")"
                )
                #expect(try await hub.findDataSets().isEmpty)
                let files = hub.database.collection("datasetFilesystem.files")
                #expect(try await files.findAll([:]).isEmpty)
                // And now that nobody writes to it, it is taken.
                let saved = try await hub.saveDataSet(quiet, name: "quiet")
                #expect(saved.files.count == quiet.files.count)
            }
        }
    }

    private final class Looks: Sendable {
        let count = Mutex(0)
    }

    /// Makes a change before the second look at the files, which is the one behind the first try.
    private func afterFirstTry(of content: inout Content, _ change: @escaping @Sendable () -> Void) throws -> Looks {
        let looks = Looks()
        let reading = try #require(content.reading)
        content.reading = Content.Reading(path: reading.path) { () throws(HubError) in
            let isSecond = looks.count.withLock { count in
                count += 1
                return count == 2
            }
            if isSecond { change() }
            return try reading.again()
        }
        return looks
    }

    @Test func `A file that changes once is read again and stored as it is then`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                mkdir("\(folder)/d", 0o755)
                for name in ["a", "b"] { try writeFile("\(folder)/d/\(name)", "old") }
                var content = try Content.folder("\(folder)/d")
                let looks = try afterFirstTry(of: &content) { rename("\(folder)/new", "\(folder)/d/a") }
                try writeFile("\(folder)/new", "new state")
                let saved = try await hub.saveDataSet(content, name: "d")
                var read: [UInt8] = []
                for try await piece in hub.read(saved.files[0], in: .dataSets) { read += piece }
                #expect(String(decoding: read, as: UTF8.self) == "new state")
                #expect(looks.count.withLock { $0 } == 4)
                #expect(try await hub.database.collection("datasetFilesystem.files").findAll([:]).count == 2)
            }
        }
    }

    @Test(arguments: ["new", "gone", "renamed", "mode"])
    func `A folder whose names change while it is stored is listed again`(_ change: String) async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                mkdir("\(folder)/d", 0o755)
                for name in ["a", "b"] { try writeFile("\(folder)/d/\(name)", name) }
                var content = try Content.folder("\(folder)/d")
                _ = try afterFirstTry(of: &content) {
                    switch change {
                    case "new": close(open("\(folder)/d/c", O_WRONLY | O_CREAT, 0o644))
                    case "gone": unlink("\(folder)/d/b")
                    case "renamed": rename("\(folder)/d/b", "\(folder)/d/b2")
                    default: chmod("\(folder)/d/b", 0o755)
                    }
                }
                let saved = try await hub.saveDataSet(content, name: "d")
                let names = ["new": ["a", "b", "c"], "gone": ["a"], "renamed": ["a", "b2"]][change] ?? ["a", "b"]
                #expect(saved.files.map(\.path) == names)
                if change == "mode" { #expect(saved.files[1].mode == 0o755) }
            }
        }
    }

    @Test func `The state of a file tells every change`() async throws {
        try await withTemporaryDirectory { folder in
            let path = "\(folder)/f"
            try writeFile(path, "one")
            let state = try #require(FileState(path))
            #expect(FileState(path) == state && FileState("\(folder)/none") == nil)
            #expect(await eventually { FileState(path)?.unsureFor == .zero })
            chmod(path, 0o600)
            #expect(FileState(path) != state)
            let second = try #require(FileState(path))
            #expect(await eventually { FileState(path)?.unsureFor == .zero })
            // The time of the content put back, as tools do.
            var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
            utimensat(AT_FDCWD, path, &times, 0)
            #expect(FileState(path) != second)
        }
    }
}
