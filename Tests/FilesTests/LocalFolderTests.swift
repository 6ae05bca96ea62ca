import Glibc
import TestSupport
import Testing

@testable import Files

/// Calls on names in a folder where a script may have put anything, or taken rights away.
@Suite(.timeLimit(.minutes(30))) struct LocalFolderTests {
    @Test func `Nothing is entered, read or written to through a link or a second name`()
        async throws
    {
        try await withTemporaryDirectory { folder in
            let state = StateFolder(folder)
            mkdir("\(folder)/foreign", 0o755)
            try writeFile("\(folder)/foreign/file", "somebody else's")
            symlink("foreign", "\(folder)/link")
            symlink("foreign/file", "\(folder)/file")
            link("\(folder)/foreign/file", "\(folder)/hard")
            #expect(throws: FileError.self) { _ = try LocalFolder("link", in: state.open(folder)) }
            #expect(throws: FileError.self) { _ = try state.open("\(folder)/link") }
            let isThere = try state.openIfThere("\(folder)/link") != nil
            let bytes = try state.open(folder).read("file", limit: 100)
            #expect(!isThere && bytes == nil)
            #expect(throws: FileError.self) { try state.openRegular("\(folder)/hard", O_WRONLY) }
            #expect(throws: FileError.self) { try state.openRegular("\(folder)/file", O_RDONLY) }
            close(try state.openRegular("\(folder)/hard", O_RDONLY))
        }
    }

    @Test(arguments: ["mkfifo", "ln -s foreign", "mkdir -p", "echo x >"])
    func `What is in the place of a file or a folder of ours goes, and what it leads to stays`(
        command: String
    ) async throws {
        try await withTemporaryDirectory { path in
            mkdir("\(path)/foreign", 0o755)
            try writeFile("\(path)/foreign/file", "x")
            for name in ["file", "folder", ".file.new", "created"] {
                try #require(system("cd \(path); \(command) \(name)") == 0)
            }
            let state = StateFolder(path)
            let folder = try state.open(path)
            try folder.ensureFolder("folder", mode: 0o755)
            try folder.replace("file", [1])
            close(try state.create("\(path)/created"))
            let (isFolder, isFile) = (folder.isFolder("folder"), folder.isFile("created"))
            let bytes = try folder.read("file", limit: 10)
            #expect(isFolder && isFile && bytes == [1])
            #expect(entries("\(path)/foreign") == ["file"])
        }
    }

    @Test func `Each call gets the rights back that it needs, and says so`() async {
        await #expect(processExitsWith: .success) {
            try await withTemporaryDirectory { path in
                Unprivileged.become(owning: path)
                let restored = RestoredRights()
                let state = StateFolder(path, noting: restored)
                for name in ["a", "a/inner", "a/moved", "b"] { mkdir("\(path)/\(name)", 0o755) }
                for name in ["a/file", "a/inner/file"] { try writeFile("\(path)/\(name)", "x") }
                /// Takes all rights to a folder that is open already, and to one thing in it.
                func take(_ name: String, _ mode: mode_t = 0) {
                    chmod("\(path)/a/\(name)", 0)
                    chmod("\(path)/a", mode)
                    _ = restored.take()
                }
                let folder = try state.open("\(path)/a")
                take("file")
                let bytes = try folder.read("file", limit: 10)
                try #require(bytes == Array("x".utf8) && restored.take())
                take("inner")
                var names = try LocalFolder("inner", in: folder).names()
                try #require(names == ["file"] && restored.take())
                take("file")
                let isFile = folder.isFile("file")
                try #require(isFile && restored.take())
                take("file", 0o500)
                try folder.makeFolder("made", mode: 0o755)
                try #require(restored.take())
                take("file", 0o500)
                try folder.removeFile("file")
                try #require(restored.take())
                take("moved")
                try folder.rename("moved", to: "moved", in: state.open("\(path)/b"))
                try #require(restored.take() && entries("\(path)/b") == ["moved"])
                take("inner")
                names = try state.open("\(path)/a/inner").names()
                try #require(names == ["file"] && restored.take())
                chmod("\(path)/a/inner/file", 0)
                take("inner")
                close(try state.openRegular("\(path)/a/inner/file", O_RDWR))
                try #require(restored.take())
            }
        }
    }
}
