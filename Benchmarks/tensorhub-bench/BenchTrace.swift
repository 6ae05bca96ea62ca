import BSON
import Console
import Files
import Glibc
import TensorHub

/// System calls of a runner and of everything that it starts, counted by strace(1). Its time says nothing: strace takes
/// more.
struct BenchTrace {
    let site: BenchSite

    static let tasks = 200

    /// What happened between two moments.
    struct Counts: Equatable {
        /// All system calls.
        var calls = 0
        /// Those that make a file, a folder, a link, a socket's name.
        var made = 0
        /// Those that rename or remove one.
        var changed = 0
    }

    static var isPossible: Bool { access("/usr/bin/strace", X_OK) == 0 }

    /// - Returns: For each task.
    func measure(_ contender: BenchContender) async throws -> (calls: Double, made: Double, changed: Double) {
        let name = "calls-\(ObjectID())"
        let file = "\(site.folder.path)/\(name).strace"
        defer { unlink(file) }
        var counts = Counts()
        let runner = try BenchRunner.start(
            contender,
            at: site,
            name: name,
            slots: BenchRounds.slots,
            count: 0,
            // -D: the process that was started is the runner and not strace, so that signals reach it.
            under: ["/usr/bin/strace", "-D", "-f", "-qq", "-s", "0", "-o", file]
        )
        try await BenchRunner.with([runner], endBySelves: false) { isGoing in
            _ = try await site.hub.createTasks(site.specs(8, name: name, script: "#!/bin/true\n"))
            try await site.waitForEnd(of: name, every: .milliseconds(500), while: isGoing)
            try await Task.sleep(for: .seconds(1))
            let start = try Self.size(file)
            _ = try await site.hub.createTasks(site.specs(Self.tasks, name: name, script: "#!/bin/true\n"))
            try await site.waitForEnd(of: name, every: .milliseconds(500), while: isGoing)
            try await Task.sleep(for: .seconds(1))
            counts = Self.count(try Self.bytes(file, from: start))
        }
        let tasks = Double(Self.tasks)
        return (Double(counts.calls) / tasks, Double(counts.made) / tasks, Double(counts.changed) / tasks)
    }

    /// What has been written behind that place; strace goes on writing.
    private static func bytes(_ path: String, from start: Int) throws(CommandFailure) -> [UInt8] {
        let count = try size(path) - start
        do throws(FileError) { return try OpenFile(path).read(at: Int64(start), upTo: count) } catch {
            throw .failure("cannot read strace: \(error.reason)")
        }
    }

    private static func size(_ path: String) throws(CommandFailure) -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw CommandFailure.failure("strace has written nothing: \(FileError.reason())")
        }
        return Int(status.st_size)
    }

    private static let making: Set<String> = [
        "creat", "mkdir", "mkdirat", "mknod", "mknodat", "link", "linkat", "symlink", "symlinkat",
    ]
    private static let changing: Set<String> = [
        "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir",
    ]

    /// Counts lines such as `1234 openat(AT_FDCWD, ""..., O_RDWR|O_CREAT, 0600) = 3`; the second half of a call that
    /// was interrupted by another process's (`<... openat resumed>`) is none.
    static func count(_ text: some Sequence<UInt8>) -> Counts {
        var counts = Counts()
        for line in Array(text).split(separator: UInt8(ascii: "\n")) {
            guard let blank = line.firstIndex(of: UInt8(ascii: " ")) else { continue }
            let rest = line[blank...].drop { $0 == UInt8(ascii: " ") }
            let word = rest.prefix { $0 == UInt8(ascii: "_") || (48...57).contains($0) || (97...122).contains($0) }
            guard !word.isEmpty, rest.dropFirst(word.count).first == UInt8(ascii: "(") else { continue }
            counts.calls += 1
            let name = String(decoding: word, as: UTF8.self)
            let isCreation = name == "openat" || name == "open" ? Self.creates(rest) : making.contains(name)
            if isCreation { counts.made += 1 }
            if changing.contains(name) { counts.changed += 1 }
        }
        return counts
    }

    private static func creates(_ call: ArraySlice<UInt8>) -> Bool {
        String(decoding: call, as: UTF8.self).utf8.split(separator: UInt8(ascii: "|")).contains {
            $0.starts(with: "O_CREAT".utf8)
        }
    }
}
