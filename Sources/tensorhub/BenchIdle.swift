import BSON
import Console
import Glibc
import MongoDriver
import TensorHub

/// What a runner costs that has nothing to do: ours alone, because the limits are absolute.
struct BenchIdle {
    let site: BenchSite

    static let length: Duration = .seconds(20)

    func measure() async throws -> [BenchMeasurement] {
        let name = "idle-\(ObjectID())"
        var result: [BenchMeasurement] = []
        let runner = try BenchRunner.start(.ours, at: site, name: name, slots: BenchRounds.slots, count: 0)
        try await BenchRunner.with([runner], endBySelves: false) { isGoing in
            // One that has worked holds more than one that has not.
            _ = try await site.hub.createTasks(site.specs(20, name: name, script: "#!/bin/echo\n"))
            try await site.waitForEnd(of: name, every: .milliseconds(200), while: isGoing)
            try await Task.sleep(for: .seconds(5))

            let pid = runner.process.pid
            let clock = ContinuousClock()
            let began = clock.now
            let (cpu, statements) = (try Self.cpuSeconds(pid), try await self.statements())
            try await Task.sleep(for: Self.length)
            let seconds = (clock.now - began) / .seconds(1)
            let usedCPU = try Self.cpuSeconds(pid) - cpu
            let sent = try await self.statements() - statements
            result = [
                figure("idle memory", "MB resident", try Self.residentMegabytes(pid), limit: 25),
                figure("idle CPU", "% of a core", usedCPU / seconds * 100, limit: 0.3),
                figure("idle statements", "per second", Double(sent) / seconds, limit: 1),
            ]
        }
        return result
    }

    private func figure(_ name: String, _ unit: String, _ value: Double, limit: Double) -> BenchMeasurement {
        BenchMeasurement(name: name, unit: unit, ours: [value], referenceName: "", goal: .atMost(limit))
    }

    // MARK: The server's side

    /// What drivers send on their own, and what this measurement sends.
    private static let ignored: Set<String> = ["hello", "isMaster", "ismaster", "ping", "endSessions", "serverStatus"]

    /// How many statements the server has had, from all clients.
    private func statements() async throws -> Int {
        let status = try await site.hub.client.database("admin").runCommand(["serverStatus": 1])
        let commands = status["metrics"]?.documentValue?["commands"]?.documentValue ?? [:]
        return commands.reduce(0) { sum, command in
            Self.ignored.contains(command.key) ? sum : sum + (command.value.documentValue?["total"]?.intValue ?? 0)
        }
    }

    // MARK: The process's side

    /// Time on a processor of all its threads, also of those that have ended, in steps of 10 ms.
    private static func cpuSeconds(_ pid: pid_t) throws -> Double {
        let text = String(decoding: try InputFile("/proc/\(pid)/stat", role: "stat").bytes, as: UTF8.self)
        // The name is in parentheses and may hold anything: the fields begin after the last one.
        let fields = (text.lastIndex(of: ")").map { text[$0...] } ?? "").split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return .nan }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func residentMegabytes(_ pid: pid_t) throws -> Double {
        let text = String(decoding: try InputFile("/proc/\(pid)/status", role: "status").bytes, as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? .nan) / 1024
    }
}
