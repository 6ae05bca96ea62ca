import CLinux
import Glibc
import TestSupport
import Testing

@testable import TensorHub

/// Calls where a script may have put a link, taken rights away, or nested folders.
@Suite struct GuardedPathTests {
    /// Becomes a user whom modes keep out of its own folders, as daemons are. For a process of its own.
    private static func leaveRoot(_ folder: String) {
        guard let user = Unprivileged.user else { return }
        chown(folder, user, user)
        _ = setgid(user)
        _ = setuid(user)
    }

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
                Self.leaveRoot(folder)
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
                Self.leaveRoot(folder)
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
}
