import BSON
import Glibc
import MongoDriver
import Synchronization
package import TensorHub
package import TestSupport

/// Runners of their own, a MongoDB, and a folder for everything that they leave: what faults are made in.
package final class ChaosTrial: Sendable {
    package struct Options: Sendable {
        package var deployment = Deployment.Kind.single
        package var runners = 2
        package var slots = 2
        package var lease = Duration.seconds(3)
        /// Whether the first runner's state directory lies on a small file system of its own.
        package var hasSmallDisk = false
        /// Whether a clock can be made wrong.
        package var hasWrongClock = false
        /// Whether the daemons stay root where the harness is: modes mean nothing to them then.
        package var isRoot = false
        /// Within which a time limit or a cancel must take effect, with all that is being done meanwhile.
        package var promptness = Duration.seconds(30)
        /// Where the logs go when something is wrong, `nil` to throw them away.
        package var logs: String?

        package init() {}
    }

    package let options: Options
    package let folder: String
    package let deployment: Deployment
    package let hub: Hub
    package let runners: [RunnerProcess]
    package let disk: SmallDisk?
    package let clock: WrongClock?
    /// The names of the runners whose disk was full.
    let fullHosts = Mutex<Set<String>>([])
    /// What the scripts that do harm are, by the names of their tasks.
    let victims = Mutex<[String: RecordingScript]>([:])
    /// Those of them that are known to be there.
    let harmed = Mutex<[ObjectID: RecordingScript]>([:])
    /// What somebody has asked to end.
    let cancels = Mutex<[ObjectID: HistoryChecker.Cancel]>([:])
    /// What was found while faults were made.
    let findings = Mutex<[HistoryChecker.Violation]>([])

    package static let project = "chaos"
    /// What the runners' connections are called: fail points hit no others.
    static let applicationName = "chaos"

    /// Lends a trial whose runners are not started yet. Afterwards nothing of it is left.
    package static func with<Value>(
        _ options: Options,
        _ body: (ChaosTrial) async throws -> Value
    ) async throws -> Value {
        try await withTemporaryDirectory { folder in
            let deployment = try await Deployment.start(options.deployment, folder: folder)
            let result: Result<Value, any Error>
            do {
                let trial = try await ChaosTrial(options, folder: folder, deployment: deployment)
                do {
                    result = .success(try await body(trial))
                } catch {
                    result = .failure(error)
                }
                await trial.end()
            } catch {
                result = .failure(error)
            }
            await deployment.stop()
            return try result.get()
        }
    }

    private init(_ options: Options, folder: String, deployment: Deployment) async throws {
        self.options = options
        self.folder = folder
        self.deployment = deployment
        let database = "chaos_\(UInt64.random(in: .min ... .max))"
        let uri = try await deployment.uri(database: database)
        hub = try await Hub.connect(uri: uri, project: Self.project)
        disk = options.hasSmallDisk ? try SmallDisk(at: "\(folder)/disk") : nil
        // The daemons and their scripts, whoever runs them, get at what is theirs, and at nothing else here.
        chmod(folder, 0o711)
        mkdir("\(folder)/record", 0o755)
        if !options.isRoot { try Unprivileged.give("\(folder)/record") }
        if let disk, !options.isRoot { try Unprivileged.give(disk.path) }
        clock = options.hasWrongClock ? try await WrongClock.make(in: folder) : nil
        var runners: [RunnerProcess] = []
        for index in 0..<options.runners {
            let proxy = deployment.kind == .replicaSet ? nil : try TCPProxy(to: deployment.port)
            let own = proxy.map { "mongodb://127.0.0.1:\($0.port)/\(database)?directConnection=true" } ?? uri
            let state = disk.map { index == 0 ? "\($0.path)/state" : nil } ?? nil
            runners.append(
                RunnerProcess(
                    RunnerProcess.Options(
                        name: "host\(index)",
                        uri: "\(own)&appName=\(Self.applicationName)",
                        project: Self.project,
                        slots: options.slots,
                        lease: options.lease,
                        stateDirectory: state ?? "\(folder)/state\(index)",
                        log: "\(folder)/runner\(index).log",
                        isRoot: options.isRoot
                    ),
                    proxy: proxy
                )
            )
        }
        self.runners = runners
    }

    package var record: String { "\(folder)/record/lines" }

    /// Returns once every runner has told of itself: a daemon that finds a full disk or no database while it starts
    /// ends, as it should, and a service manager would start it again. Nothing here does.
    package func startRunners() async throws {
        for runner in runners { try await runner.start() }
        let haveBegun = try await eventually(within: .seconds(60)) {
            try await hub.findRunners().count >= runners.count
        }
        if !haveBegun { throw ChaosError("not every runner has begun within a minute; see the runners' logs") }
    }

    /// Stores the tasks and says what must become of them.
    package func submit(_ scripts: [RecordingScript]) async throws -> [HistoryChecker.Expectation] {
        let ids = try await hub.createTasks(scripts.map { $0.spec(record: record) })
        return zip(ids, scripts).map { HistoryChecker.Expectation(task: $0, script: $1) }
    }

    /// Waits until every task has ended; MongoDB may be away meanwhile.
    package func waitForEnds(within limit: Duration) async -> Bool {
        await eventually(within: limit, every: .milliseconds(100)) { (try? await hub.hasUnfinishedTasks()) == false }
    }

    /// Waits until so many attempts have begun.
    package func waitForStarts(_ count: Int, within limit: Duration) async -> Bool {
        await eventually(within: limit) {
            let text = String(decoding: (try? readFile(record)) ?? [], as: UTF8.self)
            return text.split(separator: "\n").count { $0.hasPrefix("start ") } >= count
        }
    }

    /// Ends the runners in order and checks all that they have done.
    package func check(_ expectations: [HistoryChecker.Expectation]) async throws -> [HistoryChecker.Violation] {
        var violations: [HistoryChecker.Violation] = []
        for runner in runners {
            let status = await runner.drain(within: .seconds(20))
            // One that has only just begun takes the signal as any process does, and holds nothing yet.
            if status == 0 || (status == -SIGTERM && runner.attempts.isEmpty) { continue }
            let end = status.map { "ended with status \($0)" } ?? "did not end on SIGTERM and was killed"
            violations.append(.init(sentence: "the runner \(runner.options.name) \(end)"))
        }
        let isEmpty = await eventually(within: .seconds(5)) { AttemptProcess.all(under: folder).isEmpty }
        if !isEmpty {
            for process in AttemptProcess.all(under: folder) {
                violations.append(
                    .init(sentence: "a \(process.role) of attempt \(process.attempt) outlives its runner")
                )
            }
        }
        violations += findings.withLock { $0 }
        do {
            var checker = try await HistoryChecker(try await complete(expectations), hub: hub, record: record)
            checker.fullHosts = fullHosts.withLock { $0 }
            checker.promptness = options.promptness
            violations += checker.violations()
        } catch {
            violations.append(.init(sentence: "what MongoDB holds cannot be read: \(error)"))
        }
        if !violations.isEmpty { keepLogs() }
        return violations
    }

    /// Copies what the runners and the scripts wrote to the folder of the options, if there is one.
    package func keepLogs() {
        guard let target = options.logs else { return }
        mkdir(target, 0o755)
        for name in entries(folder).filter({ $0.hasSuffix(".log") }) + ["record/lines"] {
            if let bytes = try? readFile("\(folder)/\(name)") {
                let copy = name.replacing("/", with: "-")
                try? writeFile("\(target)/\(copy)", String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    private func end() async {
        deployment.thaw()
        for runner in runners {
            await runner.kill()
            runner.proxy?.close()
        }
        _ = await AttemptProcess.killAll(under: folder)
        disk?.remove()
        try? await hub.database.drop()
        await hub.close()
    }
}
