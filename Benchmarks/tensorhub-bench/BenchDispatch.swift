import BSON
import Console
import Files
import Glibc
import TensorHub

/// How long it takes from the call that creates a task to its script's first instruction, on an idle runner: as
/// Benchmarks/floor/dispatch.c does it, with our runner and our call.
struct BenchDispatch {
    let site: BenchSite
    /// A program that writes the time at which it starts, as nanoseconds since 1970, into the named pipe of its
    /// argument.
    let stamp: String

    /// Milliseconds, one for each task, by a runner of its own.
    func measure(name: String) async throws -> [Double] {
        var result: [Double] = []
        let runner = try BenchRunner.start(.ours, at: site, name: name, slots: BenchRounds.slots, count: 0)
        try await BenchRunner.with([runner], endBySelves: false) { isGoing in
            result = try await latencies(name: name, isGoing)
        }
        return result
    }

    /// Milliseconds, one for each task, by a runner that takes tasks of that name.
    func latencies(name: String, _ isGoing: () -> Bool) async throws -> [Double] {
        let path = "\(site.folder.path)/stamps"
        unlink(path)
        // For reading and writing: there is no end of file between two scripts.
        guard mkfifo(path, 0o600) == 0 else { throw failure("make", path) }
        let pipe = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)
        guard pipe >= 0 else { throw failure("open", path) }
        defer { close(pipe) }

        var latencies: [Double] = []
        let spec = site.specs(1, name: name, script: "#!\(stamp) \(path)\n")[0]
        // The first few are for the runner to start and to become warm.
        for index in -3..<BenchRounds.dispatchedTasks {
            let began = Self.nanoseconds()
            _ = try await site.hub.createTask(spec)
            let stamp = try await read(pipe, while: isGoing)
            if index >= 0 { latencies.append(Double(stamp - began) / 1e6) }
            try await site.waitForEnd(of: name, every: .milliseconds(5), while: isGoing)
            // Idle again, and not in step with anything periodic.
            try await Task.sleep(for: .milliseconds(Int.random(in: 20..<30)))
        }
        return latencies
    }

    private func read(_ pipe: Int32, while isGoing: () -> Bool) async throws -> Int64 {
        var stamp: Int64 = 0
        while Glibc.read(pipe, &stamp, 8) != 8 {
            guard errno == EAGAIN, isGoing() else {
                throw CommandFailure.failure("no script came to run; see the runner's log in \(site.folder.path)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        return stamp
    }

    private func failure(_ verb: String, _ path: String) -> CommandFailure {
        CommandFailure.failure("cannot \(verb) \(path): \(FileError.reason())")
    }

    private static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
