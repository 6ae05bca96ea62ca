import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// A state directory of its own and everything to run attempts in it.
struct AttemptFixture: Sendable {
    let folder: String
    let launcher: AttemptLauncher

    func plan(
        _ script: String,
        interpreter: String? = nil,
        hyperParameters: BSONDocument = [:],
        savedResultKeys: [String] = [],
        files: [TaskFile] = [],
        timeout: Duration? = nil,
        grace: Duration = .seconds(30),
        outputLimit: Int64 = Int64(RunnerOptions.defaultOutputLimit)
    ) -> AttemptPlan {
        let id = ObjectID()
        var options = TaskOptions()
        (options.interpreter, options.files) = (interpreter, files)
        options.timeout = timeout
        return AttemptPlan(
            id: AttemptID(task: id, number: 1),
            token: ObjectID(),
            task: [
                "_id": .objectID(id), "project_name": "p", "hyper_parameters": .document(hyperParameters),
                "saved_result_keys": .array(savedResultKeys.map(BSONValue.string)),
            ],
            taskName: "train",
            project: "p",
            script: Array(script.utf8),
            hyperParameters: hyperParameters,
            savedResultKeys: savedResultKeys,
            options: options,
            grace: grace,
            outputLimit: outputLimit
        )
    }

    func run(_ plan: AttemptPlan) async throws -> AttemptRun {
        try await AttemptRun(plan, launcher.launch(plan))
    }

    func runShell(_ script: String) async throws -> AttemptRun { try await run(plan("#!/bin/sh\n" + script)) }

    /// A file outside of every attempt, for what a script tells the test.
    func notePath(_ name: String) -> String { "\(folder)/\(name)" }

    /// The number that a script writes to a note as its only content.
    func notedNumber(_ name: String) async throws -> Int32 {
        var number: Int32?
        _ = await eventually {
            number = (try? readFile(notePath(name))).flatMap { bytes in
                // A whole line, not its first digits.
                bytes.last == UInt8(ascii: "\n") ? Int32(String(decoding: bytes.dropLast(), as: UTF8.self)) : nil
            }
            return number != nil
        }
        return try #require(number)
    }
}

/// An attempt that has ended, and what it came to.
struct AttemptRun: Sendable {
    let launched: AttemptLauncher.Launched
    let ending: SupervisorProcess.Ending
    let record: ExitRecord?
    let output: [UInt8]
    let outcome: AttemptOutcome
    let lack: String?

    init(_ plan: AttemptPlan, _ launched: AttemptLauncher.Launched) async throws {
        self.launched = launched
        ending = await launched.process.wait()
        var output: [UInt8] = []
        // A script may have made anything of it.
        while let chunk = try? launched.output.next() { output += chunk.data }
        self.output = output
        (record, outcome, lack) = try launched.directory.conclude(
            AttemptFacts(supervisor: ending, savedResultKeys: plan.savedResultKeys),
            output: launched.output
        )
    }

    var text: String { String(decoding: output, as: UTF8.self) }

    var result: BSONDocument? { if case .finished(let result) = outcome { result } else { nil } }

    var failure: AttemptOutcome.Kind? { if case .failed(let kind, _, _) = outcome { kind } else { nil } }

    var message: String { if case .failed(_, let message, _) = outcome { message } else { "" } }
}

/// Lends a fixture; whatever its attempts left on disk is removed afterwards.
func withAttempts<Value>(_ body: (AttemptFixture) async throws -> Value) async throws -> Value {
    try await withAttempts(supervisor: testedSupervisor, body)
}

func withAttempts<Value>(
    supervisor: String,
    _ body: (AttemptFixture) async throws -> Value
) async throws -> Value {
    try await withTemporaryDirectory { folder in
        let launcher = try AttemptLauncher(
            stateDirectory: folder,
            supervisor: supervisor,
            environment: ["PATH": getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin", "HOME": folder]
        )
        return try await body(AttemptFixture(folder: folder, launcher: launcher))
    }
}

/// The supervisor that was built with these tests: beside their bundle.
let testedSupervisor: String = {
    let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
    let parts = bundle.split(separator: "/", omittingEmptySubsequences: false)
    let folder = parts.prefix { !$0.hasSuffix(".xctest") }
    return (folder + ["tensorhub-supervisor"]).joined(separator: "/")
}()

func isAlive(_ pid: Int32) -> Bool {
    // A zombie that its new parent has not collected yet is dead.
    guard let bytes = try? readFile("/proc/\(pid)/stat"), let end = bytes.lastIndex(of: UInt8(ascii: ")")) else {
        return false
    }
    return bytes[(end + 2)...].first != UInt8(ascii: "Z")
}
