public import BSON
import Files
import Glibc

/// The attempt that this script is: what its task wants of it, and the way to its runner.
///
/// ```swift
/// try await Attempt.run { attempt in
///     let rate = attempt.hyperParameters["learning_rate"]?.doubleValue ?? 0.1
///     try attempt.report(["epoch": 1, "loss": 0.3])
///     try await attempt.saveResults(["accuracy": 0.97])
/// }
/// ```
///
/// It speaks the script API (`docs/scripts.md`) over the socket `TENSORHUB_SOCKET`. A daemon that is being restarted,
/// and a MongoDB that is away, are waited for: every request can be repeated. Usable from every task and thread.
public final class Attempt: Sendable {
    /// A log of a task.
    public enum Log: String, Sendable, Hashable, CaseIterable {
        case training, validation, testing
    }

    /// The task as the runner got it, without its script.
    public let task: BSONDocument
    public let taskID: ObjectID
    /// Counts from 1: how often the task was begun, this time included.
    public let number: Int
    /// A folder whose content the task's next attempt finds again, on whatever machine it runs; `nil` under a runner
    /// that has none.
    public let checkpointFolder: String?

    let client: RunnerClient
    let reporter: Reporter
    private let watch: StopWatch

    /// What the script is to work with; empty where the task has none.
    public var hyperParameters: BSONDocument { task["hyper_parameters"]?.documentValue ?? [:] }

    /// The attempt that this process runs in. Whoever takes it calls `finish()` at the end; `run` does.
    ///
    /// - Parameter environment: The variables that the runner has set; of this process unless given.
    /// - Throws: `ScriptError` of code `notInAttempt` outside of a task.
    public static func current(environment: [String: String]? = nil) async throws -> Attempt {
        try await current(environment: environment, patience: Reporter.patience)
    }

    /// - Parameter patience: How long results and the end wait for a daemon that is away.
    package static func current(environment: [String: String]?, patience: Duration) async throws -> Attempt {
        let value: (String) -> String? = { name in
            let value = environment.map { $0[name] } ?? getenv(name).map { String(cString: $0) }
            return value?.isEmpty == false ? value : nil
        }
        guard let socket = value("TENSORHUB_SOCKET") else {
            throw ScriptError(
                .notInAttempt,
                "there is no TENSORHUB_SOCKET: this is no task that a runner runs; push it with `tensorhub submit`"
            )
        }
        let client = RunnerClient(socketPath: socket, token: value("TENSORHUB_ATTEMPT_TOKEN"))
        let task: BSONDocument
        if let path = value("TENSORHUB_TASK_FILE") {
            task = try read(path)
        } else {
            task = try await client.persist(.get, "/v1/task")
        }
        guard let id = value("TENSORHUB_TASK_ID").flatMap({ ObjectID($0) }) ?? task["_id"]?.objectIDValue,
            let number = value("TENSORHUB_ATTEMPT").flatMap({ Int($0) })
        else {
            throw ScriptError(
                .notInAttempt,
                "TENSORHUB_TASK_ID or TENSORHUB_ATTEMPT is not set; pass on all that the runner has set"
            )
        }
        return Attempt(
            task: task,
            taskID: id,
            number: number,
            checkpointFolder: value("TENSORHUB_CHECKPOINT_DIR"),
            client: client,
            reporter: Reporter(client, spoolFile: value("TENSORHUB_SPOOL_FILE"), patience: patience)
        )
    }

    /// Lends the attempt that this process runs in and delivers what was reported, also where the body throws.
    ///
    /// - Throws: `ScriptError` of code `notInAttempt` outside of a task; what the body throws.
    public static func run<Value>(
        environment: [String: String]? = nil,
        _ body: (Attempt) async throws -> Value
    ) async throws -> Value {
        let attempt = try await current(environment: environment)
        let result: Result<Value, any Error>
        do { result = .success(try await body(attempt)) } catch { result = .failure(error) }
        await attempt.finish()
        return try result.get()
    }

    private init(
        task: BSONDocument,
        taskID: ObjectID,
        number: Int,
        checkpointFolder: String?,
        client: RunnerClient,
        reporter: Reporter
    ) {
        self.task = task
        self.taskID = taskID
        self.number = number
        self.checkpointFolder = checkpointFolder
        self.client = client
        self.reporter = reporter
        watch = StopWatch(client)
    }

    /// Delivers what was reported. Whoever answers is waited for; after ten seconds without, the rest is left to the
    /// runner in the file `TENSORHUB_SPOOL_FILE`. Nothing can be reported afterwards.
    public func finish() async {
        await watch.end()
        await reporter.end()
    }

    // MARK: Whether to stop

    /// Whether the script is to store a checkpoint and end. Cheap enough for a loop.
    ///
    /// From the first question on SIGTERM does not end the script any more but makes this true, unless the script has a
    /// handler of its own; what it does not finish within the grace period is killed.
    public var shouldStop: Bool { stopOrder != nil }

    /// Why it is to stop and how long there is; `nil` while it may go on. As `shouldStop` otherwise.
    public var stopOrder: StopOrder? { watch.order }

    // MARK: Checkpoints

    /// Says that the checkpoint folder is complete: the task's next attempt finds it as it is now. Returns once there
    /// is a copy; what was reported before is delivered before.
    ///
    /// - Throws: `ScriptError` where the runner has refused it.
    public func checkpoint() async throws {
        _ = await reporter.flush(within: Reporter.patience)
        _ = try await client.persist(.post, "/v1/checkpoint", .json("{}"))
    }

    private static func read(_ path: String) throws -> BSONDocument {
        let bytes = try ScriptError.ofFiles { () throws(FileError) in try OpenFile(path).readAll() }
        return try BSONDocument(extendedJSON: bytes, options: .nonFinite)
    }
}
