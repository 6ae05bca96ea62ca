import BSON
import Console
import Glibc
import MongoDriver
import Synchronization
import TensorHub

/// Who does a runner's work.
enum BenchContender: Sendable {
    case ours
    case floor
    /// The build that ours is compared with.
    case other
}

/// A runner as a process of its own, ours or the C program, with its log in the site's folder.
final class BenchRunner: Sendable {
    let process: ChildProcess
    private let hasEnded = Atomic(false)

    private init(_ process: ChildProcess) {
        self.process = process
    }

    /// - Parameters:
    ///   - name: Of the tasks to run; several are separated by commas.
    ///   - count: After how many the C program ends; ours ends when it is told to.
    ///   - prefix: A program that starts the runner in its own place.
    static func start(
        _ contender: BenchContender,
        at site: BenchSite,
        name: String,
        slots: Int,
        count: Int,
        under prefix: [String] = []
    ) throws -> BenchRunner {
        let state = "\(site.folder.path)/state-\(ObjectID())"
        func daemon(_ build: BenchBuild) throws -> BenchRunner {
            let command = [
                build.daemon, "--uri", site.uri, "--project", BenchSite.project, "--task-names", name, "--slots",
                "\(slots)", "--state-directory", state, "--supervisor-path", build.supervisor, "--config",
                site.configuration,
            ]
            return BenchRunner(try start(prefix + command, output: state + ".out"))
        }
        switch contender {
        case .ours: return try daemon(site.build)
        case .other:
            guard let other = site.other else { throw CommandFailure.badInput("--against is not given") }
            return try daemon(other)
        case .floor:
            let arguments = try floorArguments("run", at: site, name: name, count: count)
            return BenchRunner(
                try start(arguments + ["--slots", "\(slots)", "--state", state], output: state + ".out")
            )
        }
    }

    /// Runs one verb of the C program and reads the document that it prints.
    static func floor(
        _ verb: String,
        at site: BenchSite,
        name: String,
        count: Int,
        _ further: [String] = []
    ) async throws -> BSONDocument {
        let output = "\(site.folder.path)/\(verb)-\(name).out"
        let arguments = try floorArguments(verb, at: site, name: name, count: count) + further
        return try await run(arguments, output: output, verb)
    }

    /// Runs a Python program and reads the document that it prints.
    static func python(_ program: String, _ arguments: [String], at site: BenchSite) async throws -> BSONDocument {
        try await run(
            ["python3", "-c", program] + arguments,
            output: "\(site.folder.path)/python-\(ObjectID()).out",
            "of the program",
            path: getenv("PATH").map { String(cString: $0) }
        )
    }

    private static func run(
        _ arguments: [String],
        output: String,
        _ verb: String,
        path: String? = nil
    ) async throws -> BSONDocument {
        let runner = BenchRunner(try start(arguments, output: output, path: path))
        let status = try await withTaskCancellationHandler {
            let status = await runner.process.wait()
            try Task.checkCancellation()
            return status
        } onCancel: {
            runner.process.signal(SIGKILL)
        }
        let text = String(decoding: try InputFile(output, role: verb).bytes, as: UTF8.self)
        guard status == 0 else { throw CommandFailure.failure("\(arguments[0]) \(verb) failed: \(text)") }
        return try BSONDocument(extendedJSON: text)
    }

    private static func floorArguments(
        _ verb: String,
        at site: BenchSite,
        name: String,
        count: Int
    ) throws -> [String] {
        guard let floor = site.floor else { throw CommandFailure.badInput("--floor is not given") }
        return [
            floor, verb, "--uri", site.uri, "--db", site.hub.database.name, "--project", BenchSite.project, "--name",
            name,
            "--count", "\(count)", "--supervisor", site.build.supervisor,
        ]
    }

    private static func start(_ command: [String], output: String, path: String? = nil) throws -> ChildProcess {
        try ChildProcess.start(
            ["/bin/sh", "-c", "exec \"$@\" >\"$0\" 2>&1 </dev/null", output] + command,
            environment: ["PATH": path ?? "/usr/local/bin:/usr/bin:/bin"]
        )
    }

    /// Lends running runners; none is left when this returns, whatever happens.
    ///
    /// - Parameter endBySelves: Whether they end without being told to.
    static func with(
        _ runners: [BenchRunner],
        endBySelves: Bool,
        _ body: (_ isGoing: () -> Bool) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for runner in runners {
                group.addTask {
                    await withTaskCancellationHandler {
                        _ = await runner.process.wait()
                        runner.hasEnded.store(true, ordering: .relaxed)
                    } onCancel: {
                        runner.process.signal(SIGKILL)
                    }
                }
            }
            // An error that leaves this closure cancels the group, and so kills the runners.
            try await body { !runners.contains { $0.hasEnded.load(ordering: .relaxed) } }
            if !endBySelves { for runner in runners { runner.process.signal(SIGTERM) } }
            try await group.waitForAll()
        }
    }
}
