import BSON
import Chaos
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// What distributors call, on three mongods that lose their primary.
@Suite(.serialized) struct ElectionTests {
    /// Longer than a replica set takes as MongoDB is set up.
    private static let election: Duration = .seconds(15)

    @Test func `Every call goes on through an election of 15 s, and one that starts in it waits for it`() async throws {
        try await withSet("calls") { set, hub in
            var calls: [(name: String, run: @Sendable () async throws -> Void)] = []
            for (index, call) in ElectionCall.all.enumerated() {
                calls.append((call.name, try await call.prepare(hub, "call\(index)")))
            }
            let killed = await set.killMajority()
            #expect(killed.count == 2)
            let restarts = Task {
                await endure(Self.election)
                for index in killed { try await set.restart(index) }
            }
            await withTaskGroup(of: Void.self) { group in
                for call in calls {
                    group.addTask {
                        do { try await call.run() } catch { Issue.record("\(call.name): \(error)") }
                    }
                }
            }
            try await restarts.value
            #expect(await set.waitForPrimary())
        }
    }

    @Test(arguments: [false, true])
    func `Calls that are under way when the primary is lost go on`(_ isKilled: Bool) async throws {
        try await withSet("underway\(isKilled)") { set, hub in
            let isOver = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, call) in ElectionCall.all.enumerated() {
                    group.addTask {
                        var round = 0
                        while isOver.value == 0 {
                            round += 1
                            do {
                                try await call.prepare(hub, "call\(index)round\(round)")()
                            } catch {
                                Issue.record("\(call.name): \(error)")
                                return
                            }
                        }
                    }
                }
                for _ in 0..<2 {
                    await endure(.seconds(3))
                    try await lose(set, isKilled)
                }
                _ = isOver.next()
                try await group.waitForAll()
            }
        }
    }

    @Test(arguments: [false, true])
    func `A data set whose primary is lost in mid-upload is stored whole`(_ isKilled: Bool) async throws {
        try await withSet("upload\(isKilled)") { set, hub in
            try await withTemporaryDirectory { folder in
                let path = "\(folder)/data"
                let piece = (0..<(1 << 20)).map { _ in UInt8.random(in: 0...255) }
                let file = try #require(fopen(path, "w"))
                for _ in 0..<150 { fwrite(piece, 1, piece.count, file) }
                fclose(file)
                let chunks = hub.database.collection("datasetFilesystem.chunks")
                async let saved = hub.saveDataSet(.file(path), name: "big")
                #expect(await eventually { (try? await chunks.countDocuments(limit: 60)) ?? 0 >= 60 })
                try await lose(set, isKilled)
                let stored = try await saved
                #expect(stored.version == 1 && stored.size == 150 << 20)
                // Verified against the hash of what was sent.
                _ = try await hub.download(stored, to: "\(folder)/back")
                #expect(try await chunks.countDocuments() == (150 << 20 + 261_119) / 261_120)
            }
        }
    }

    @Test(arguments: [false, true])
    func `A first data set is stored though the primary is lost while the indexes are made`(_ isKilled: Bool)
        async throws
    {
        try await withSet("indexes\(isKilled)") { set, hub in
            async let saved = hub.saveDataSet(.bytes([1, 2, 3], as: "data"), name: "first")
            async let ids = hub.createTasks([TaskSpec(script: "#!/bin/true")])
            // Somewhere in the making of the indexes; the calls have to stand it wherever that is.
            await endure(.milliseconds(120))
            try await lose(set, isKilled)
            #expect(try await saved.version == 1)
            #expect(try await ids.count == 1)
            #expect(try await hub.findDataSets().count == 1)
            #expect(try await hub.countTasks()[.pending] == 1)
        }
    }

    @Test func `Every verb that starts while there is no primary waits for one`() async throws {
        try await withSet("verbs") { set, hub in
            try await withTemporaryDirectory { folder in
                let script = "\(folder)/script.sh"
                let file = try #require(fopen(script, "w"))
                fputs("#!/bin/sh\ntrue\n", file)
                fclose(file)
                let ids = try await hub.createTasks((0..<6).map { TaskSpec(name: "n\($0)", script: "#!/bin/true") })
                try await hub.tasks.updateOne(
                    ["_id": .objectID(ids[5])],
                    .document(["$set": ["status": "finished", "result": ["a": 1]]])
                )
                try await hub.saveLogs(.training, (0..<20).map { ["step": .int32($0), "loss": .double(1)] })
                _ = try await hub.saveDataSet(.file(script), name: "old")
                _ = try await hub.saveModel(.file(script), name: "model")
                let lines = [
                    "submit \(script) --name new", "ls", "show \(ids[0])", "wait \(ids[5])", "why \(ids[0])",
                    "logs \(ids[5])", "results", "cancel \(ids[0])", "hold \(ids[1])", "retry \(ids[5])",
                    "rm \(ids[2])", "log ls training", "log export training", "dataset put \(script) --name put",
                    "dataset ls", "dataset get old --output \(folder)/got", "dataset show old", "dataset rm old",
                    "model put \(script) --name put", "model ls", "model get model --output \(folder)/model",
                    "model stage model production", "gc", "prune --older-than 30d --dry-run",
                ]
                let killed = await set.killMajority()
                #expect(await eventually(within: .seconds(30)) { await set.primary() == nil })
                var programs: [(line: String, process: OwnedProcess, output: String)] = []
                for (index, line) in lines.enumerated() {
                    let output = "\(folder)/output\(index)"
                    let process = try await OwnedProcess.start(
                        ["\(RunnerProcess.folder)/tensorhub"] + line.split(separator: " ").map(String.init),
                        environment: [
                            "PATH": "/usr/bin:/bin", "HOME": folder, "TENSORHUB_CONFIG": "/dev/null",
                            "TENSORHUB_URI": set.uri(database: hub.database.name), "LANG": "C.UTF-8",
                        ],
                        output: output
                    )
                    programs.append((line, process, output))
                }
                // Longer than a command waits for a server that never answered.
                await endure(.seconds(8))
                for program in programs {
                    #expect(program.process.status == nil, "\(program.line) has not waited")
                }
                for index in killed { try await set.restart(index) }
                for program in programs {
                    #expect(await program.process.waitForEnd(within: .seconds(60)), "\(program.line) does not end")
                    let text = readText(program.output)
                    // Nothing to prune is an answer too.
                    #expect([0, 3].contains(program.process.status), "\(program.line): \(text)")
                    #expect(text.contains("MongoDB is away"), "\(program.line): \(text)")
                    await program.process.kill()
                }
                #expect(try await hub.countTasks(.named("new"))[.pending] == 1)
                #expect(try await hub.findDataSets(ContentQuery(name: "put")).count == 1)
            }
        }
    }

    // MARK: Parts

    private func lose(_ set: ReplicaSet, _ isKilled: Bool) async throws {
        if isKilled {
            let index = try #require(await set.killPrimary())
            #expect(await set.waitForPrimary())
            try await set.restart(index)
        } else {
            // What it says against it is only that it closes the connection.
            _ = await set.stepDown(seconds: 5)
            #expect(await set.waitForPrimary())
        }
    }

    private func withSet(_ database: String, _ body: (ReplicaSet, Hub) async throws -> Void) async throws {
        try await turns.one {
            try await withTemporaryDirectory { folder in
                let set = try await ReplicaSet.start(folder: folder)
                let result: Result<Void, any Error>
                do {
                    let hub = try await Hub.connect(uri: set.uri(database: database))
                    do { result = .success(try await body(set, hub)) } catch { result = .failure(error) }
                    await hub.close()
                } catch {
                    result = .failure(error)
                }
                await set.stop()
                try result.get()
            }
        }
    }

    private func readText(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
