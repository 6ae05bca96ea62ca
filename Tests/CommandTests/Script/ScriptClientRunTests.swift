import BSON
import Glibc
import TensorHub
import TestSupport
import Testing

/// The Swift client of scripts in a program of its own, under daemons that die.
@Suite(.timeLimit(.minutes(30))) struct ScriptClientRunTests {
    @Test func `Every entry of a Swift script is there once, whenever its daemon is killed and started anew`()
        async throws
    {
        try await withCommands { fixture in
            let count = 20_000
            let script = try fixture.file("run.sh", "#!/bin/sh\nexec \(Program.folder)/reporting-script\n")
            func daemon() throws -> Program {
                try Program.start(
                    "tensorhubd",
                    ["--state-directory", "\(fixture.folder)/state"],
                    environment: fixture.environment
                )
            }
            var running = try daemon()
            let id = try await fixture.run("submit", script, "-p", "count=\(count)", "--result", "steps").output
                .trimmingLineEnd
            for threshold in [500, 5000, 12_000] {
                let isFar = try await eventually(within: .seconds(120)) {
                    try await fixture.hub.countLogs(.training) >= threshold
                }
                #expect(isFar, "\(running.errors)")
                running.signal(SIGKILL)
                _ = try await fixture.end(of: running)
                running = try daemon()
            }
            let end = try await fixture.run("wait", id)
            #expect(end.status == 0, "\(running.errors)")
            let task = try await fixture.hub.task(try #require(ObjectID(id)))
            #expect(task.attempt == 1 && task.result["steps"]?.intValue == count, "\(task.document)")
            var steps: Set<Int> = []
            for from in stride(from: 0, to: count, by: 10_000) {
                let range: BSONDocument = ["$gte": .init(smallest: from), "$lt": .init(smallest: from + 10_000)]
                let part = try await fixture.hub.logs(.training, Filter(["step": .document(range)]))
                steps.formUnion(part.compactMap { $0.document["step"]?.intValue })
            }
            #expect(steps.count == count)
            #expect(try await fixture.hub.countLogs(.training) == count)
            for _ in 0..<3 { running.signal(SIGTERM) }
            #expect(try await fixture.end(of: running).status == 0)
        }
    }
}
