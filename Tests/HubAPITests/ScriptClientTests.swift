import BSON
import Glibc
import Synchronization
import TensorHub
import TestSupport
import Testing

@testable import HubAPI
@testable import ScriptClient

/// The Swift client of scripts against the server of an attempt. `ScriptRunTests` has it on a real runner.
@Suite(.timeLimit(.minutes(30)))
struct ScriptClientTests {
    private func environment(_ folder: String, socket: String? = nil) -> [String: String] {
        [
            "TENSORHUB_SOCKET": socket ?? "\(folder)/s", "TENSORHUB_ATTEMPT_TOKEN": attemptToken,
            "TENSORHUB_TASK_ID": "\(ObjectID())", "TENSORHUB_ATTEMPT": "2",
            "TENSORHUB_SPOOL_FILE": "\(folder)/unsent", "TENSORHUB_CHECKPOINT_DIR": "\(folder)/checkpoint",
        ]
    }

    @Test func `A script reads its hyper-parameters, reports in order and leaves results`() async throws {
        try await withAttemptServer { fixture, backend in
            try await Attempt.run(environment: environment(fixture.folder)) { attempt in
                #expect(attempt.hyperParameters == ["lr": 0.1])
                #expect(attempt.number == 2)
                #expect(attempt.checkpointFolder == "\(fixture.folder)/checkpoint")
                for step in 0..<3000 {
                    try attempt.report(["step": .int32(Int32(step)), "loss": .double(.nan)])
                    if step % 1000 == 0 { try attempt.report(["epoch": .int32(Int32(step / 1000))], to: .validation) }
                }
                try attempt.progress(0.5, message: "half")
                try await attempt.saveResults(["accuracy": 0.75])
                #expect(backend.state.withLock { $0.results } == [["accuracy": 0.75]])
                try await attempt.checkpoint()
            }
            backend.state.withLock { state in
                let training = state.logs[.training] ?? []
                #expect(training.map { $0["step"]?.intValue } == (0..<3000).map { $0 })
                #expect(training.first?["loss"]?.doubleValue?.isNaN == true)
                #expect(Set(training.compactMap { $0["_id"] }).count == 3000)
                #expect(state.logs[.validation]?.map { $0["epoch"]?.intValue } == [0, 1, 2])
                #expect(state.progress == [ScriptProgress(fraction: 0.5, message: "half")])
                #expect(state.checkpoints == 1)
            }
        }
    }

    @Test
    func `A batch whose answer was lost is posted again to the next server, with the same identifiers and in order`()
        async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let backend = NotebookBackend(hub, spoolFolder: folder)
                let server = APIServer(endLimit: .milliseconds(20))
                let first = try await server.serveLocally(backend, socketPath: "\(folder)/s", token: attemptToken)
                let attempt = try await Attempt.current(environment: environment(folder))
                try attempt.report(["step": 0])
                #expect(await attempt.flush(within: .seconds(20)))
                backend.state.withLock { $0.isSlow = true }
                try attempt.report(["step": 1])
                #expect(await eventually { backend.state.withLock { $0.waiting } == 1 })
                // Saved, and never answered.
                await first.stop()
                for step in 2..<50 { try attempt.report(["step": .int32(Int32(step))]) }
                #expect(await attempt.flush(within: .milliseconds(1)) == false)
                backend.state.withLock { $0.isSlow = false }
                let second = try await server.serveLocally(backend, socketPath: "\(folder)/s", token: attemptToken)
                await attempt.finish()
                await second.stop()
                let entries = backend.state.withLock { $0.logs[.training] ?? [] }
                var seen: Set<BSONValue> = []
                let once = entries.filter { seen.insert($0["_id"] ?? .null).inserted }
                #expect(once.map { $0["step"]?.intValue } == (0..<50).map { $0 })
                #expect(entries.count > once.count)
                #expect(access("\(folder)/unsent", F_OK) != 0)
            }
        }
    }

    @Test func `What nobody has answered by the end is left in the spool file, and nothing can be reported then`()
        async throws
    {
        try await withTemporaryDirectory { folder in
            try writeFile("\(folder)/task.json", "{\"hyper_parameters\": {\"n\": 3}}")
            var variables = environment(folder)
            variables["TENSORHUB_TASK_FILE"] = "\(folder)/task.json"
            let attempt = try await Attempt.current(environment: variables, patience: .zero)
            #expect(attempt.hyperParameters == ["n": 3])
            try attempt.report(["step": 1])
            try attempt.report(["loss": .double(.infinity)], to: .testing)
            try attempt.report(["step": 2])
            try attempt.progress(1)
            try await attempt.saveResults(["accuracy": 1])
            await attempt.finish()
            let requests = try readLines("\(folder)/unsent").map { try BSONDocument(extendedJSON: $0) }
            #expect(requests.map { $0["path"] } == ["/v1/results", "/v1/logs/testing", "/v1/logs/training"])
            #expect(requests.first?["body"] == ["accuracy": 1])
            #expect(requests.last?["body"]?.arrayValue?.map { $0.documentValue?["step"] } == [1, 2])
            #expect(requests.last?.value(atPath: "body.0._id")?.objectIDValue != nil)
            let error = #expect(throws: ScriptError.self) { try attempt.report(["step": 3]) }
            #expect(error?.code == .wrongState)
        }
    }

    @Test func `What is left in the spool file has the paths of the API, by the runner and by both clients`() throws {
        let routes = Set(APIResponder.table.routes.map { $0.path })
        #expect(routes.isSuperset(of: [UnsentRequest.resultsPath, UnsentRequest.progressPath]))
        #expect(routes.contains(UnsentRequest.logsPath("{kind}")))
        #expect(Report.results == UnsentRequest.resultsPath && Report.progress == UnsentRequest.progressPath)
        #expect(Report.logs("training") == UnsentRequest.logsPath("training"))
        let python = try String(decoding: readFile(packageRoot + "/python/tensorhub/reporter.py"), as: UTF8.self)
        let paths = [UnsentRequest.progressPath, UnsentRequest.resultsPath].map { "\"\($0)\"" }
        #expect(python.contains("\nPROGRESS, RESULTS = \(paths.joined(separator: ", "))\n"))
        #expect(python.contains("\nPATHS = {kind: \"\(UnsentRequest.logsPath(""))\" + kind for kind in"))
    }

    @Test func `A report is settled once everything before it is, whichever of several logs goes first`() {
        var queue = ReportQueue()
        for path in ["/a", "/b", "/a", Report.results, Report.results] { _ = queue.put(path, "{}") }
        #expect(queue.settled == 0)
        let first = queue.batch()
        #expect(first.map(\.number) == [1, 3])
        _ = queue.put("/a", "{}")
        queue.settle(first)
        #expect(queue.settled == 1)
        #expect(queue.all.map(\.number) == [2, 4, 5, 6])
        var order: [[Int]] = []
        while case let batch = queue.batch(), !batch.isEmpty {
            order.append(batch.map(\.number))
            queue.settle(batch)
        }
        #expect(order == [[2], [4], [5], [6]])
        #expect(queue.settled == 6)
        #expect(queue.size == 0)
    }

    @Test func `A data set comes as verified files of this machine, and a name that is near is told`() async throws {
        try await withAttemptServer { fixture, backend in
            let files = [
                SourceFile(path: "a/x.bin", source: .bytes([1, 2])), SourceFile(path: "y", source: .bytes([3])),
            ]
            for part in ["train", "test"] {
                try await fixture.hub.saveDataSet(
                    Content(kind: .folder, files: files),
                    name: "my digits",
                    tags: ["part": .string(part)]
                )
            }
            try await Attempt.run(environment: environment(fixture.folder)) { attempt in
                let found = try await attempt.dataSet("my digits", filter: ["part": "train"], sort: ["time": -1])
                #expect(found.document["part"] == "train")
                #expect(found.files.map(\.path) == ["a/x.bin", "y"])
                #expect(found.files.map(\.size) == [2, 1])
                #expect(try found.files.map { try readFile($0.localPath) } == [[1, 2], [3]])
                #expect(found.files.map(\.localPath) == found.files.map { "\(found.folder ?? "")/\($0.path)" })
                let shard = try await attempt.dataSet("my digits", version: 2, shard: "1/2")
                #expect(shard.files.map(\.path) == ["y"])
                let error = await #expect(throws: ScriptError.self) { try await attempt.dataSet("my digit") }
                #expect(error?.code == .notFound)
                #expect(error?.suggestions == ["my digits"])
                #expect(backend.state.withLock { $0.fetched } == ["my digits", "my digits"])
            }
        }
    }

    @Test func `Folders and bytes are saved, also where uploads were forgotten in between`() async throws {
        try await withAttemptServer { fixture, backend in
            let folder = "\(fixture.folder)/made"
            mkdir(folder, 0o755)
            mkdir("\(folder)/sub", 0o755)
            // More than one piece of what is read at once.
            let long = String(repeating: "0123456789abcdef", count: 150_000)
            try writeFile("\(folder)/sub/long", long)
            try writeFile("\(folder)/empty", "")
            try await Attempt.run(environment: environment(fixture.folder)) { attempt in
                try await attempt.saveDataSet("made", NewContent(path: folder), tags: ["a": 1])
                let model = NewContent(
                    kind: .arrays,
                    files: [.init(path: "parameters.npz", source: .bytes([7]))],
                    form: "list"
                )
                let document = try await attempt.saveModel("mlp", model, architecture: ["n": 3], tags: ["b": 2.5])
                #expect(document["_id"]?.objectIDValue == backend.state.withLock { $0.saved.last?.id })
                backend.state.withLock { $0.refusal = HubError(.invalidInput, field: "files", "forgotten") }
                let error = await #expect(throws: ScriptError.self) { try await attempt.saveModel("mlp", model) }
                #expect(error?.status == 400)
                #expect(error?.field == "files")
            }
            backend.state.withLock { state in
                #expect(state.saved.map(\.name) == ["made", "mlp"])
                #expect(state.saved.first?.paths == ["empty", "sub/long"])
                #expect(state.saved.first?.bytes == [[], Array(long.utf8)])
                #expect(state.saved.first?.tags == ["a": 1])
                #expect(state.saved.last?.architecture == ["n": 3])
                #expect(state.saved.last?.tags == ["b": 2.5])
            }
        }
    }

    @Test func `A script is told to stop, why, and how long there is`() async throws {
        try await withAttemptServer { fixture, backend in
            try await Attempt.run(environment: environment(fixture.folder)) { attempt in
                let control = ScriptControl(stop: true, reason: "drain", remaining: .seconds(90))
                backend.state.withLock { $0.control = control }
                // NotebookBackend answers a long poll at its end; the end of the server is one.
                _ = attempt.shouldStop
                #expect(await eventually { backend.state.withLock { $0.waiting } == 1 })
                await fixture.service.stop()
                #expect(await eventually { attempt.shouldStop })
                #expect(attempt.stopOrder?.reason == "drain")
                let left = try #require(attempt.stopOrder?.deadline) - .now
                #expect(left > .seconds(30) && left <= .seconds(90))
            }
        }
    }

    @Test func `SIGTERM is an order to stop from the first question on, and ends the script no more`() async throws {
        // In a process of its own: the signal is the whole process's.
        await #expect(processExitsWith: .exitCode(85)) {
            try await withTemporaryDirectory { folder in
                try writeFile("\(folder)/task.json", "{}")
                let attempt = try await Attempt.current(environment: [
                    "TENSORHUB_SOCKET": "\(folder)/s", "TENSORHUB_TASK_FILE": "\(folder)/task.json",
                    "TENSORHUB_TASK_ID": "\(ObjectID())", "TENSORHUB_ATTEMPT": "1",
                ])
                guard !attempt.shouldStop else { exit(1) }
                kill(getpid(), SIGTERM)
                guard await eventually({ attempt.stopOrder == StopOrder() }) else { exit(2) }
                await attempt.finish()
            }
            exit(85)
        }
    }

    @Test func `Faults have a code, a sentence and the field at fault`() async throws {
        let outside = await #expect(throws: ScriptError.self) { try await Attempt.current(environment: [:]) }
        #expect(outside?.code == .notInAttempt)
        #expect(outside?.description.contains("TENSORHUB_SOCKET") == true)
        try await withAttemptServer { fixture, _ in
            try await Attempt.run(environment: environment(fixture.folder)) { attempt in
                let name = await #expect(throws: ScriptError.self) {
                    try await attempt.saveModel("a/b", architecture: ["n": 1])
                }
                #expect(name?.code == .badName)
                #expect(name?.field == "name")
                let reserved = #expect(throws: ScriptError.self) { try attempt.report(["time": 1]) }
                #expect(reserved?.code == .reservedField)
                let fraction = #expect(throws: ScriptError.self) { try attempt.progress(1.5) }
                #expect(fraction?.field == "fraction")
                let file = await #expect(throws: ScriptError.self) {
                    try await attempt.saveDataSet("d", NewContent(path: "\(fixture.folder)/nothing"))
                }
                #expect(file?.code == .localFile)
                // Answered before it was sent whole.
                let large = await #expect(throws: ScriptError.self) {
                    try await attempt.saveResults(["text": .string(String(repeating: "x", count: 20 << 20))])
                }
                #expect(large?.status == 413)
                #expect(large?.code.rawValue == "too-large")
            }
            var other = environment(fixture.folder)
            other["TENSORHUB_ATTEMPT_TOKEN"] = "feedfeed"
            let error = await #expect(throws: ScriptError.self) { try await Attempt.current(environment: other) }
            #expect(error?.code == .otherAttempt)
            #expect(error?.status == 403)
        }
    }

    @Test func `A socket is reached under a path that is longer than an address`() async throws {
        try await withAttemptServer { fixture, backend in
            let path = fixture.folder + String(repeating: "/.", count: 80) + "/s"
            try await Attempt.run(environment: environment(fixture.folder, socket: path)) { attempt in
                try attempt.report(["step": 1])
            }
            #expect(backend.state.withLock { $0.logs[.training]?.count } == 1)
        }
    }
}
