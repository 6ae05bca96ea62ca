import BSON
import Console
import Glibc
import MongoDriver
import TensorHub

/// What a runner, its scripts and the server have used up to a moment; two of them make a difference.
struct BenchCost {
    /// Seconds on a processor of the runner and of everything that it started and that has ended.
    var runner: Double
    /// Seconds on a processor of the server; `nil` where it runs on another machine.
    var server: Double?
    /// What the server has had from all clients.
    var statements: Int

    /// Seconds of a process's own, and of the children that it has waited for, in steps of 10 ms each.
    static func processorSeconds(_ pid: pid_t) throws -> (own: Double, children: Double) {
        let text = String(decoding: try InputFile("/proc/\(pid)/stat", role: "stat").bytes, as: UTF8.self)
        // The name is in parentheses and may hold anything: the fields begin after the last one.
        let fields = (text.lastIndex(of: ")").map { text[$0...] } ?? "").split(separator: " ")
        guard fields.count > 15 else { return (.nan, .nan) }
        let ticks = fields[12...15].map { Double($0) ?? .nan }
        let second = Double(sysconf(Int32(_SC_CLK_TCK)))
        return ((ticks[0] + ticks[1]) / second, (ticks[2] + ticks[3]) / second)
    }

    static func residentMegabytes(_ pid: pid_t) throws -> Double {
        let text = String(decoding: try InputFile("/proc/\(pid)/status", role: "status").bytes, as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? .nan) / 1024
    }
}

extension BenchSite {
    /// What drivers send on their own, and what measurements send.
    private static let ignoredStatements: Set<String> = [
        "hello", "isMaster", "ismaster", "ping", "endSessions", "serverStatus",
    ]

    /// How many statements the server has had, from all clients.
    func statements() async throws -> Int { try await serverFigures().statements }

    /// What has been used so far.
    ///
    /// - Parameter runner: The pid of the runner.
    func cost(runner: pid_t) async throws -> BenchCost {
        let server = try await serverFigures()
        let used = try BenchCost.processorSeconds(runner)
        let serverTime = try server.pid.map { try BenchCost.processorSeconds($0).own }
        return BenchCost(runner: used.own + used.children, server: serverTime, statements: server.statements)
    }

    private func serverFigures() async throws -> (statements: Int, pid: pid_t?) {
        let status = try await hub.client.database("admin").runCommand(["serverStatus": 1])
        let commands = status["metrics"]?.documentValue?["commands"]?.documentValue ?? [:]
        let statements = commands.reduce(0) { sum, command in
            Self.ignoredStatements.contains(command.key)
                ? sum : sum + (command.value.documentValue?["total"]?.intValue ?? 0)
        }
        let pid = status["pid"]?.intValue.flatMap { pid_t(exactly: $0) }
        // On another machine the pid is a stranger's.
        let name = pid.flatMap { try? InputFile("/proc/\($0)/comm", role: "comm").bytes }
        return (statements, name.map { Array("mongod\n".utf8) == $0 } == true ? pid : nil)
    }
}
