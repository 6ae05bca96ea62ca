import BSON
import Files
import Glibc
import MongoDriver
import TensorHub
import TestSupport
import Testing

@testable import TaskRunner

/// Checkpoints that move between machines; each runner has a state directory of its own.
@Suite(.timeLimit(.minutes(30))) struct CheckpointTests {
    private func spec(_ script: String) throws -> TaskSpec {
        var spec = TaskSpec(script: "#!/bin/sh\n\(script)\n")
        spec.maxFailures = 2
        spec.backoff = .zero
        spec.rules = [try FailureRule(parsing: "exit=1:elsewhere")]
        return spec
    }

    private func blobs(_ hub: Hub) async throws -> Int {
        try await hub.database.collection("checkpointfs.files").findAll([:]).count
    }

    @Test func `The next attempt finds the checkpoint on another machine, and it goes when the task is finished`()
        async throws
    {
        try await withTestHub { hub in
            let script =
                "if [ -e $TENSORHUB_CHECKPOINT_DIR/a/epoch ]; then cat $TENSORHUB_CHECKPOINT_DIR/a/epoch; exit 0; fi; "
                + "mkdir $TENSORHUB_CHECKPOINT_DIR/a; echo 7 > $TENSORHUB_CHECKPOINT_DIR/a/epoch; exit 1"
            let id = try await hub.createTask(try spec(script))
            try await withRunner(hub) { (_) async throws in
                #expect(try await eventually { try await hub.task(id).failures == 1 })
            }
            let checkpoint = try #require(try await hub.task(id).checkpoint)
            #expect(checkpoint.attempt == 1 && checkpoint.files.map(\.path) == ["a/epoch"])
            #expect(try await blobs(hub) == 1)
            try await withRunner(hub, { $0.name = "other-host" }) { _ in
                try await hub.waitForTasks(.ids([id]))
                let task = try await hub.task(id)
                #expect(task.status == .finished && task.checkpoint == nil, "\(task.document)")
                let output = try await hub.readOutput(of: id).flatMap(\.data)
                #expect(String(decoding: output, as: UTF8.self) == "7\n")
                #expect(try await eventually { try await blobs(hub) == 0 })
            }
        }
    }

    @Test func `A checkpoint that was called complete is stored at once, and a later one takes its place`() async throws
    {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let server = DirectServer()
                let wait = "until test -e \(folder)/$1; do sleep 0.01; done"
                let id = try await hub.createTask(
                    try spec(
                        """
                        wait_for() { \(wait); }
                        echo one > $TENSORHUB_CHECKPOINT_DIR/state; touch \(folder)/first; wait_for second
                        echo two > $TENSORHUB_CHECKPOINT_DIR/state; touch \(folder)/changed; wait_for third
                        echo half > $TENSORHUB_CHECKPOINT_DIR/state; exit 1
                        """
                    )
                )
                try await withRunner(hub, slots: 1, { $0.scriptServer = server }) { runner in
                    let attempt = try #require(await server.backend()?.attempt)
                    func text() async throws -> String? {
                        guard let file = try await hub.task(id).checkpoint?.files.first else { return nil }
                        var bytes: [UInt8] = []
                        for try await piece in hub.readBlob(file.blob.id, in: .checkpoints) { bytes += piece }
                        return String(decoding: bytes, as: UTF8.self)
                    }
                    #expect(await eventually { access("\(folder)/first", F_OK) == 0 })
                    try await attempt.storeCheckpoint()
                    #expect(try await eventually { try await text() == "one\n" })
                    try writeFile("\(folder)/second", "")
                    #expect(await eventually { access("\(folder)/changed", F_OK) == 0 })
                    try await attempt.storeCheckpoint()
                    #expect(try await eventually { try await text() == "two\n" })
                    #expect(try await eventually { try await blobs(hub) == 1 })
                    try writeFile("\(folder)/third", "")
                    #expect(try await eventually { try await hub.task(id).failures == 1 })
                    #expect(try await text() == "two\n", "what it was writing when it failed does not count")
                }
                #expect(try await hub.deleteTasks(.ids([id])) == 1)
                #expect(try await blobs(hub) == 0)
            }
        }
    }

    @Test func `On the same machine too the next attempts begin with what was called complete`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let server = DirectServer()
                var spec = try spec(
                    """
                    if [ $TENSORHUB_ATTEMPT -gt 2 ]; then cat $TENSORHUB_CHECKPOINT_DIR/*; exit 0; fi
                    if [ $TENSORHUB_ATTEMPT = 2 ]; then echo half > $TENSORHUB_CHECKPOINT_DIR/state; exit 1; fi
                    echo whole > $TENSORHUB_CHECKPOINT_DIR/state; touch \(folder)/first
                    until test -e \(folder)/second; do sleep 0.01; done
                    echo half > $TENSORHUB_CHECKPOINT_DIR/state; exit 1
                    """
                )
                spec.rules = []
                spec.maxFailures = 3
                let id = try await hub.createTask(spec)
                try await withRunner(hub, slots: 1, { $0.scriptServer = server }) { _ in
                    let attempt = try #require(await server.backend()?.attempt)
                    #expect(await eventually { access("\(folder)/first", F_OK) == 0 })
                    try await attempt.storeCheckpoint()
                    try writeFile("\(folder)/second", "")
                    try await hub.waitForTasks(.ids([id]))
                    let output = try await hub.readOutput(of: id).flatMap(\.data)
                    #expect(String(decoding: output, as: UTF8.self) == "whole\n")
                }
            }
        }
    }

    @Test func `A checkpoint that could not be copied when it was called complete is stored at the end`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                let server = DirectServer()
                let id = try await hub.createTask(
                    try spec(
                        """
                        cd $TENSORHUB_CHECKPOINT_DIR; echo 7 > epoch; seq 10001 | xargs touch; touch \(folder)/first
                        until test -e \(folder)/second; do sleep 0.01; done
                        find . -name '[0-9]*' -delete; exit 1
                        """
                    )
                )
                try await withRunner(hub, slots: 1, { $0.scriptServer = server }) { _ in
                    let attempt = try #require(await server.backend()?.attempt)
                    #expect(await eventually { access("\(folder)/first", F_OK) == 0 })
                    await #expect(throws: HubError.self) { try await attempt.storeCheckpoint() }
                    try writeFile("\(folder)/second", "")
                    #expect(try await eventually { try await hub.task(id).failures == 1 })
                    #expect(try await hub.task(id).checkpoint?.files.map(\.path) == ["epoch"])
                }
            }
        }
    }

    @Test func `A task whose checkpoint cannot be brought here goes back instead of beginning without it`() async throws
    {
        try await withTestDatabase { client, name in
            var options = MongoClient.Options()
            options.applicationName = "checkpoint-\(UInt32.random(in: 0...UInt32.max))"
            let hub = try await Hub.connect(
                uri: try await TestMongo.uri(database: name),
                options: options,
                patience: nil
            )
            let script =
                "if [ -e $TENSORHUB_CHECKPOINT_DIR/epoch ]; then exit 0; fi; "
                + "echo 7 > $TENSORHUB_CHECKPOINT_DIR/epoch; exit 1"
            let id = try await hub.createTask(try spec(script))
            try await withRunner(hub) { (_) async throws in
                #expect(try await eventually { try await hub.task(id).failures == 1 })
            }
            try await withFailCommand(
                ["failCommands": ["find"], "errorCode": 13, "namespace": "\(name).checkpointfs.files"],
                applicationName: options.applicationName,
                times: nil,
                client: client
            ) {
                try await withRunner(hub, { $0.name = "other-host" }) { (_) async throws in
                    #expect(try await eventually { try await hub.task(id).history.dropFirst().first?.cause != nil })
                    let task = try await hub.task(id)
                    #expect(task.status == .pending && task.checkpoint?.attempt == 1, "\(task.document)")
                    #expect(task.failures == 1 && task.history.last?.cause == "machine")
                }
            }
            await hub.close()
        }
    }

    @Test func `A checkpoint outlives an attempt that this machine cannot start`() async throws {
        try await withAttempts(supervisor: "/nonexistent/supervisor") { fixture in
            var plan = fixture.plan("#!/bin/sh\n")
            plan.id.number = 2
            let waiting = "\(fixture.folder)/checkpoints"
            for path in [waiting, "\(waiting)/\(plan.id.task).1"] { mkdir(path, 0o755) }
            try writeFile("\(waiting)/\(plan.id.task).1/epoch", "7")
            let error = #expect(throws: FileError.self) { try fixture.launcher.launch(plan) }
            #expect(error.map(AttemptError.isOfMachine) == true)
            let found = entries(waiting)
            #expect(found.count == 1 && found.allSatisfy { entries("\(waiting)/\($0)") == ["epoch"] })
            #expect(entries("\(fixture.folder)/attempts").isEmpty)
        }
    }

    @Test func `At its start a runner removes the checkpoints that nobody will come for`() async throws {
        try await withTestHub { hub in
            try await withTemporaryDirectory { folder in
                var held = TaskSpec(script: "#!/bin/sh\n")
                held.hold = true
                let (pending, cancelled) = (try await hub.createTask(held), try await hub.createTask(held))
                #expect(try await hub.cancelTasks(.ids([cancelled])) == 1)
                let stranger = ObjectID()
                let neighbour = ObjectID()
                let presence = try RunnerPresence(stateDirectory: folder, runner: neighbour)
                let stay = ["\(pending).1", "\(stranger).1", ".\(pending).\(neighbour)", "notes"]
                let go = ["\(cancelled).1", "\(cancelled)", ".\(pending).\(ObjectID())", ".\(pending).1"]
                mkdir("\(folder)/checkpoints", 0o755)
                for name in stay + go {
                    mkdir("\(folder)/checkpoints/\(name)", 0o755)
                    try writeFile("\(folder)/checkpoints/\(name)/state", "x")
                }
                try await withRunner(hub, { $0.stateDirectory = folder }) { _ in
                    #expect(await eventually { entries("\(folder)/checkpoints").count <= stay.count })
                }
                #expect(entries("\(folder)/checkpoints").sorted() == stay.sorted())
                withExtendedLifetime(presence) {}
                let waiting = WaitingCheckpoints(stateDirectory: folder)
                let damage = DamagedThings(stateDirectory: folder)
                try waiting.remove([stranger], olderThan: .seconds(3600), damage)
                #expect(entries("\(folder)/checkpoints").contains("\(stranger).1"))
                try waiting.remove([stranger], olderThan: .seconds(-2), damage)
                #expect(!entries("\(folder)/checkpoints").contains("\(stranger).1"))
            }
        }
    }
}
