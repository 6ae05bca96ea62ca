import BSON
import MongoDriver
import Synchronization
import TensorHub
import TestSupport

/// Programs and library calls that store something while the primary of three nodes changes. Each must succeed.
extension ChaosTrial {
    /// Bytes of a data set or model: several chunks, and messages enough that an election comes into the midst of them.
    private static let contentSize = 3 << 20
    private static let entries = 2000
    private static let tasks = 50
    /// Beyond any election, and the start of a program on a busy machine.
    private static let longestWrite = Duration.seconds(90)

    /// - Returns: `nil` where there was no primary to disturb.
    func writeThroughElection(_ plan: FaultPlan) async throws -> String? {
        let round = "election-\(plan.choice)"
        let database = hub.database.name
        let uri = try await deployment.uri(database: database)
        let own = try await patiently { try await Hub.connect(uri: uri, project: round) }
        let result: Result<String?, any Error>
        do { result = .success(try await write(plan, round, uri, own)) } catch { result = .failure(error) }
        await own.close()
        return try result.get()
    }

    private func write(_ plan: FaultPlan, _ round: String, _ uri: String, _ hub: Hub) async throws -> String? {
        let progress = WritersProgress()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in ["data set", "model", "tasks", "log", "library"] {
                group.addTask { [self] in
                    var number = 0
                    // Whatever the election meets is one of these; and one more each that begins when it is over.
                    var isLast = false
                    while !isLast {
                        isLast = progress.isOver.withLock { $0 }
                        let name = "\(round)-\(writer.prefix(4).replacing(" ", with: ""))\(number)"
                        progress.began.next()
                        let written =
                            writer == "library"
                            ? try await call(hub, name) : try await run(writer, name, uri, project: round)
                        progress.done.withLock { $0 += written }
                        number += 1
                    }
                }
            }
            // All are under way.
            _ = await eventually(within: Self.patience) { progress.began.value > 5 }
            let words = try await disturbReplicaSet(plan, options.lease * plan.leases)
            progress.isOver.withLock { $0 = true }
            try await group.waitForAll()
            let writes = progress.done.withLock { $0 }
            let found = try await patiently { try await StoredWrites.check(writes, hub: hub) }
            findings.withLock { $0 += found }
            return words.map { "\($0), through \(writes.count) writes" }
        }
    }

    /// One program; what it stored, or nothing and a finding where it failed.
    private func run(_ kind: String, _ name: String, _ uri: String, project: String) async throws -> [StoredWrites
        .Write]
    {
        let input = "\(folder)/\(name).input"
        let log = "\(folder)/\(name).output"
        let write: StoredWrites.Write
        var words: [String]
        switch kind {
        case "data set", "model":
            let text = Self.content(name)
            try writeFile(input, text)
            words = [kind == "model" ? "model" : "dataset", "put", input, "--name", name]
            let hash = SHA256.hex(of: Array(text.utf8))
            write = .init(kind: kind == "model" ? .model : .dataSet, name: name, sha256: hash)
        case "tasks":
            try writeFile(input, "#!/bin/sh\n")
            words = ["submit", input, "--name", name, "--count", "\(Self.tasks)", "--hold"]
            write = .init(kind: .tasks, name: name, count: Self.tasks)
        default:
            try writeFile(
                input,
                (0..<Self.entries).map { "{\"writer\": \"\(name)\", \"number\": \($0)}\n" }.joined()
            )
            words = ["log", "add", "training", "-"]
            write = .init(kind: .log, name: name, count: Self.entries)
        }
        words = ["\(RunnerProcess.folder)/tensorhub"] + words + ["--uri", uri, "--project", project]
        let command = words.map { "'\($0)'" }.joined(separator: " ") + " < '\(input)'"
        let process = try await OwnedProcess.start(["sh", "-c", "exec \(command)"], output: log)
        if await !process.waitForEnd(within: Self.longestWrite) { await process.kill() }
        defer { for path in [input, log] { removeTree(path) } }
        if process.status == 0 { return [write] }
        let said = (try? readLines(log).last) ?? "nothing"
        let end = process.status.map { "\($0)" } ?? "none"
        let sentence = "\(words[1...2].joined(separator: " ")) ended with status \(end) in an election: \(said)"
        findings.withLock { $0.append(.init(sentence: sentence)) }
        return []
    }

    /// The calls of the library, one after the other.
    private func call(_ hub: Hub, _ name: String) async throws -> [StoredWrites.Write] {
        let bytes = Array(Self.content(name).utf8)
        let hash = SHA256.hex(of: bytes)
        var written: [StoredWrites.Write] = []
        func attempt(_ write: StoredWrites.Write, _ body: () async throws -> Void) async {
            do {
                try await body()
                written.append(write)
            } catch {
                let sentence = "the library could not store the \(write.kind.rawValue) in an election: \(error)"
                findings.withLock { $0.append(.init(sentence: sentence)) }
            }
        }
        await attempt(.init(kind: .dataSet, name: name, sha256: hash)) {
            try await hub.saveDataSet(.bytes(bytes, as: "data"), name: name)
        }
        await attempt(.init(kind: .model, name: name, sha256: hash)) {
            _ = try await hub.saveModel(.bytes(bytes, as: "data"), name: name)
        }
        await attempt(.init(kind: .log, name: name, count: 3)) {
            try await hub.saveLogs(
                .training,
                (0..<3).map { ["writer": .string(name), "number": .init(smallest: $0)] }
            )
        }
        await attempt(.init(kind: .tasks, name: name)) {
            var spec = TaskSpec(name: name, script: "#!/bin/sh\n")
            spec.hold = true
            _ = try await hub.createTask(spec)
        }
        return written
    }

    /// Different for every name, and in every chunk.
    private static func content(_ name: String) -> String {
        var text = ""
        var number = 0
        while text.utf8.count < contentSize {
            text += "\(name) \(number)\n"
            number += 1
        }
        return text
    }
}

/// What the writers of one election share.
private final class WritersProgress: Sendable {
    let began = Counter()
    let isOver = Mutex(false)
    let done = Mutex<[StoredWrites.Write]>([])
}
