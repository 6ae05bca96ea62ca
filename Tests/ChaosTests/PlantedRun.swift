import BSON
import Chaos
import MongoDriver
import TensorHub
import TestSupport

/// Plays runners and scripts by hand, so that faults can be planted: real statements on a real database, and a record
/// as scripts write it.
struct PlantedRun {
    let hub: Hub
    let tasks: [ObjectID]
    /// Of the first task; the others have the plain one.
    let script: RecordingScript
    private let path: String
    private var lines = ""

    /// Lends a hub with three tasks, of which two have run as they should.
    static func with(
        _ script: RecordingScript = .init(),
        _ body: (inout PlantedRun) async throws -> Void
    ) async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let path = "\(folder)/record"
                let specs = [script, .init(), .init()].map { $0.spec(record: path) }
                var run = PlantedRun(hub: hub, tasks: try await hub.createTasks(specs), script: script, path: path)
                for id in run.tasks.dropFirst() {
                    let runner = ObjectID()
                    let attempt = try await run.claim(id, runner)
                    run.note("start", id, attempt)
                    run.note("end", id, attempt)
                    try await run.finish(id, attempt, runner)
                }
                try await body(&run)
            }
        }
    }

    private init(hub: Hub, tasks: [ObjectID], script: RecordingScript, path: String) {
        self.hub = hub
        self.tasks = tasks
        self.script = script
        self.path = path
    }

    /// The one that has not run yet.
    var task: ObjectID { tasks[0] }

    /// What the checker says of the task, without its name; anything about the other two is in it whole.
    func sentences(cancel: HistoryChecker.Cancel? = nil) async throws -> [String] {
        try writeFile(path, lines)
        var expectations = tasks.map { HistoryChecker.Expectation(task: $0, script: .init()) }
        expectations[0] = .init(task: task, script: script, cancel: cancel)
        let checker = try await HistoryChecker(expectations, hub: hub, record: path)
        return checker.violations().map { $0.task == task ? $0.sentence : "\($0)" }
    }

    func claim(_ id: ObjectID, _ runner: ObjectID) async throws -> Int {
        let session = hub.session(runner, name: "host")
        guard let task = try await session.claim(id: id) else { throw ChaosError("no claim") }
        return task.attempt
    }

    /// Milliseconds, by the server's clock.
    func now() async throws -> Int64 { try await hub.serverTime().millisecondsSince1970 }

    mutating func note(_ event: String, _ id: ObjectID, _ attempt: Int, _ other: Int? = nil) {
        let time = lines.utf8.count
        lines += "\(event) \(id) \(attempt) \(time) \(1000 + attempt)\(other.map { " \($0)" } ?? "")\n"
    }

    static func end(_ id: ObjectID, _ attempt: Int, cause: String = "finished") -> AttemptEnd {
        let result: BSONDocument = ["task": .string("\(id)"), "attempt": .init(smallest: attempt)]
        return AttemptEnd(
            AttemptID(task: id, number: attempt),
            transition: cause == "finished" ? .finish(result: result) : .release(delay: nil),
            cause: cause
        )
    }

    func store(_ id: ObjectID, _ attempt: Int) async throws {
        let text = "\(id) \(attempt) begun\n\(id) \(attempt) ended\n"
        let chunk = OutputChunk(attempt: attempt, seq: 0, offset: 0, data: Array(text.utf8))
        try await hub.session().appendOutput([chunk], of: id)
    }

    /// As a runner does it: the output, then the fenced end.
    @discardableResult
    func finish(_ id: ObjectID, _ attempt: Int, _ runner: ObjectID) async throws -> AttemptEnd.Outcome {
        try await store(id, attempt)
        return try await hub.session(runner).deliver([Self.end(id, attempt)])[0]
    }

    func release(_ id: ObjectID, _ attempt: Int, _ runner: ObjectID, cause: String) async throws {
        _ = try await hub.session(runner).deliver([Self.end(id, attempt, cause: cause)])
    }

    /// A failure that is counted; the last one where it is the task's second.
    func fail(_ id: ObjectID, _ attempt: Int, _ runner: ObjectID, _ kind: String) async throws {
        var end = Self.end(id, attempt, cause: kind)
        let failure = TaskFailure(kind: kind, message: "planted")
        end.transition =
            attempt < RecordingScript.failures ? .retry(failure, delay: .zero, avoiding: nil) : .fail(failure)
        _ = try await hub.session(runner).deliver([end])
    }

    /// A statement that only a program with a fault would send.
    func change(_ update: MongoUpdate) async throws {
        _ = try await hub.tasks.updateOne(["_id": .objectID(task)], update)
    }
}
