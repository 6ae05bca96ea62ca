import CLinux
import Glibc
import TestSupport
import Testing

@testable import Files

/// Calls where a script may have put a link, taken rights away, or nested folders.
@Suite struct GuardedPathTests {
    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func `No part of a path may be a link, also where the kernel does not know how to tell`() async throws {
        try await withTemporaryDirectory { folder in
            mkdir("\(folder)/real", 0o755)
            try writeFile("\(folder)/real/file", "x")
            symlink("real", "\(folder)/link")
            symlink("file", "\(folder)/real/link")
            for open in [tensorhub_open_without_links, tensorhub_open_part_by_part] {
                let file = open("\(folder)//real/./file", O_RDONLY | O_CLOEXEC, 0)
                #expect(file >= 0)
                close(file)
                for path in ["link/file", "real/link", "link"] {
                    #expect(open("\(folder)/\(path)", O_RDONLY | O_CLOEXEC, 0) < 0, "\(path)")
                }
                let made = open("\(folder)/real/new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                #expect(made >= 0 && mode("\(folder)/real/new") == 0o600)
                close(made)
                unlink("\(folder)/real/new")
            }
        }
    }

    @Test func `Removing a link to a folder changes nothing of what it leads to`() async throws {
        try await withTemporaryDirectory { folder in
            mkdir("\(folder)/foreign", 0o755)
            try writeFile("\(folder)/foreign/file", "somebody else's")
            chmod("\(folder)/foreign", 0o555)
            mkdir("\(folder)/tree", 0o755)
            for name in ["link", "tree/link"] { symlink("\(folder)/foreign", "\(folder)/\(name)") }
            mkfifo("\(folder)/tree/pipe", 0o600)
            #expect(FolderTree.remove("\(folder)/link") == 0)
            #expect(FolderTree.remove("\(folder)/tree") == 0)
            #expect(entries(folder) == ["foreign"])
            #expect(mode("\(folder)/foreign") == 0o555 && entries("\(folder)/foreign") == ["file"])
            // Through a link nothing is removed at all.
            symlink("foreign", "\(folder)/link")
            #expect(FolderTree.remove("\(folder)/link/file") != 0)
            #expect(entries("\(folder)/foreign") == ["file"])
        }
    }

    @Test func `A tree without any rights goes, and what links in it lead to keeps its mode`() async {
        await #expect(processExitsWith: .success) {
            try await withTemporaryDirectory { folder in
                Unprivileged.become(owning: folder)
                mkdir("\(folder)/foreign", 0o755)
                try writeFile("\(folder)/foreign/file", "x")
                for path in ["tree", "tree/a", "tree/a/b", "tree/locked"] { mkdir("\(folder)/\(path)", 0o755) }
                symlink("\(folder)/foreign", "\(folder)/tree/locked/link")
                link("\(folder)/foreign/file", "\(folder)/tree/a/hard")
                try writeFile("\(folder)/tree/a/b/file", "x")
                chmod("\(folder)/foreign", 0o500)
                chmod("\(folder)/foreign/file", 0o400)
                for path in ["tree/locked", "tree/a/b", "tree/a", "tree"] { chmod("\(folder)/\(path)", 0) }
                try #require(FolderTree.remove("\(folder)/tree") == 0)
                var status = stat()
                try #require(stat("\(folder)/foreign", &status) == 0 && status.st_mode & 0o777 == 0o500)
                try #require(stat("\(folder)/foreign/file", &status) == 0 && status.st_mode & 0o777 == 0o400)
                chmod("\(folder)/foreign", 0o700)
            }
        }
    }

    @Test func `Rights come back from the root of a path on, and to nothing that has another name elsewhere`() async {
        await #expect(processExitsWith: .success) {
            try await withTemporaryDirectory { folder in
                Unprivileged.become(owning: folder)
                for path in ["state", "state/attempt", "state/attempt/journal"] { mkdir("\(folder)/\(path)", 0o755) }
                let file = "\(folder)/state/attempt/journal/file"
                try writeFile(file, "x")
                try writeFile("\(folder)/foreign", "x")
                link("\(folder)/foreign", "\(folder)/state/attempt/journal/hard")
                chmod(file, 0)
                chmod("\(folder)/foreign", 0o200)
                for path in ["state/attempt/journal", "state/attempt", "state"] { chmod("\(folder)/\(path)", 0) }
                try #require(GuardedPath.open(file, O_RDONLY) < 0 && errno == EACCES)
                try #require(!GuardedPath.restoreRights(file, below: "\(folder)/other"))
                try #require(GuardedPath.restoreRights(file, below: "\(folder)/state"))
                let opened = GuardedPath.open(file, O_RDWR)
                try #require(opened >= 0)
                let hard = "\(folder)/state/attempt/journal/hard"
                try #require(!GuardedPath.restoreRights(hard, below: "\(folder)/state"))
                try #require(GuardedPath.open(hard, O_RDONLY) < 0)
            }
        }
    }

    @Test func `No rights come back through a link, nor to what is somebody else's`() async throws {
        try await withTemporaryDirectory { folder in
            let (foreign, state) = ("\(folder)/foreign", "\(folder)/state")
            for path in [foreign, "\(foreign)/inner", state] { mkdir(path, 0o755) }
            symlink("../foreign", "\(state)/link")
            chmod("\(foreign)/inner", 0o500)
            chmod(foreign, 0o500)
            let descriptor = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(descriptor) }
            #expect(!GuardedPath.restoreRights("link", in: descriptor))
            #expect(!GuardedPath.restoreRights(at: "\(state)/link"))
            for path in ["\(state)/link", "\(state)/link/inner"] {
                #expect(!GuardedPath.restoreRights(path, below: state))
            }
            #expect(mode(foreign) == 0o500 && mode("\(foreign)/inner") == 0o500)
            // Root may, but is not to.
            try Unprivileged.give("\(foreign)/inner")
            #expect(GuardedPath.restoreRights(at: "\(foreign)/inner") == (Unprivileged.user == nil))
            chmod(foreign, 0o700)
        }
    }

    @Test func `A tree goes whose folders may be read alone, or listed alone, however deep they are`() async {
        await #expect(processExitsWith: .success) {
            try await withTemporaryDirectory { folder in
                Unprivileged.become(owning: folder)
                // Fewer descriptors than levels.
                var limit = rlimit(rlim_cur: 100, rlim_max: 100)
                try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
                for rights: mode_t in [0o500, 0o400, 0] {
                    var paths = ["\(folder)/tree"]
                    for _ in 0..<150 { paths.append(paths[paths.count - 1] + "/d") }
                    for path in paths {
                        mkdir(path, 0o755)
                        try writeFile("\(path)/file", "x")
                    }
                    for path in paths.reversed() { chmod(path, rights) }
                    try #require(FolderTree.remove("\(folder)/tree") == 0)
                    try #require(entries(folder).isEmpty)
                }
            }
        }
    }

    @Test func `What is in a folder that may not be written to goes`() async {
        await #expect(processExitsWith: .success) {
            try await withTemporaryDirectory { folder in
                Unprivileged.become(owning: folder)
                mkdir("\(folder)/tree", 0o755)
                chmod(folder, 0o500)
                try #require(FolderTree.remove("\(folder)/tree") == 0)
            }
        }
    }
}
