import BSON
import Chaos
import MongoDriver
import TensorHub
import TestSupport
import Testing

/// The checker finds what it is there for: each fault is planted into a run that is clean without it.
@Suite struct PlantedFaultTests {
    @Test func `A clean run, with a lost runner in it, has no violations`() async throws {
        try await PlantedRun.with { run in
            let (first, second) = (ObjectID(), ObjectID())
            _ = try await run.claim(run.task, first)
            run.note("start", run.task, 1)
            try await run.release(run.task, 1, first, cause: "runner-lost")
            _ = try await run.claim(run.task, second)
            run.note("start", run.task, 2)
            run.note("beside", run.task, 2, 1)
            run.note("end", run.task, 1)
            #expect(try await run.finish(run.task, 1, first) == .leaseLost)
            run.note("end", run.task, 2)
            #expect(try await run.finish(run.task, 2, second) == .accepted)
            #expect(try await run.sentences() == [])
        }
    }

    @Test func `An unfenced finish of a stale attempt is found`() async throws {
        try await PlantedRun.with { run in
            let (first, second) = (ObjectID(), ObjectID())
            _ = try await run.claim(run.task, first)
            run.note("start", run.task, 1)
            try await run.release(run.task, 1, first, cause: "runner-lost")
            _ = try await run.claim(run.task, second)
            run.note("start", run.task, 2)
            run.note("end", run.task, 1)
            try await run.store(run.task, 1)
            // By `_id` alone, as a runner without fencing does it.
            try await run.change(.pipeline(TaskStatements.end(PlantedRun.end(run.task, 1))))
            run.note("end", run.task, 2)
            #expect(try await run.finish(run.task, 2, second) == .leaseLost)
            let sentences = try await run.sentences()
            #expect(sentences.contains { $0.contains("which is not that of its attempt 2") }, "\(sentences)")
            #expect(sentences.contains { $0.contains("the attempts [1] say 'finished'") }, "\(sentences)")
            #expect(sentences.contains { $0.contains("attempt 2 that nobody ended") }, "\(sentences)")
        }
    }

    @Test func `A state that is written before the result is found`() async throws {
        try await PlantedRun.with { run in
            _ = try await run.claim(run.task, ObjectID())
            run.note("start", run.task, 1)
            run.note("end", run.task, 1)
            try await run.store(run.task, 1)
            // TensorLayer's order; the runner dies before it writes the result.
            var end = PlantedRun.end(run.task, 1)
            end.transition = .finish(result: [:])
            try await run.change(.pipeline(TaskStatements.end(end)))
            #expect(try await run.sentences() == ["is finished without a result"])
        }
    }

    @Test func `A task that is gone is found`() async throws {
        try await PlantedRun.with { run in
            try await run.hub.deleteTasks(.ids([run.task]))
            #expect(try await run.sentences() == ["is lost: there is no document"])
        }
    }

    @Test func `A task that is left running, and one that nobody claimed, are found`() async throws {
        try await PlantedRun.with { run in
            #expect(try await run.sentences() == ["is still pending: it has not ended"])
            _ = try await run.claim(run.task, ObjectID())
            run.note("start", run.task, 1)
            #expect(try await run.sentences() == ["is still running: it has not ended"])
        }
    }

    @Test func `An attempt that is started twice is found`() async throws {
        try await PlantedRun.with { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            run.note("start", run.task, 1)
            run.note("end", run.task, 1)
            try await run.finish(run.task, 1, runner)
            #expect(try await run.sentences() == ["was started 2 times as attempt 1"])
        }
    }

    @Test(arguments: [true, false])
    func `An attempt beside one that was given back, not lost, is found`(_ sawIt: Bool) async throws {
        try await PlantedRun.with { run in
            let (first, second) = (ObjectID(), ObjectID())
            _ = try await run.claim(run.task, first)
            run.note("start", run.task, 1)
            try await run.release(run.task, 1, first, cause: "drain")
            _ = try await run.claim(run.task, second)
            run.note("start", run.task, 2)
            if sawIt { run.note("beside", run.task, 2, 1) } else { run.note("end", run.task, 1) }
            run.note("end", run.task, 2)
            try await run.finish(run.task, 2, second)
            #expect(
                try await run.sentences()
                    == ["ran as attempt 2 while attempt 1, which ended by drain, was alive"]
            )
        }
    }

    @Test func `An attempt that ran without a claim is found`() async throws {
        try await PlantedRun.with { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            run.note("end", run.task, 1)
            try await run.finish(run.task, 1, runner)
            run.note("start", run.task, 2)
            #expect(try await run.sentences() == ["ran as attempt 2, which its history does not know"])
        }
    }

    @Test func `Output that is missing or there twice is found`() async throws {
        try await PlantedRun.with { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            run.note("end", run.task, 1)
            try await run.finish(run.task, 1, runner)
            #expect(try await run.sentences() == [])
            let again = OutputChunk(attempt: 1, seq: 1, offset: 0, data: Array("\(run.task) 1 ended\n".utf8))
            try await run.hub.session().appendOutput([again], of: run.task)
            let sentences = try await run.sentences()
            #expect(sentences.contains { $0.hasPrefix("has a piece 1 at byte 0") }, "\(sentences)")
            #expect(sentences.contains("has 99 of the 66 bytes that its attempt 1 printed"), "\(sentences)")
        }
    }

    @Test func `A lease that is still there and a result of a task that did not finish are found`() async throws {
        try await PlantedRun.with { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            run.note("end", run.task, 1)
            try await run.finish(run.task, 1, runner)
            try await run.change(.document(["$set": ["hub.lease": ["runner": .objectID(runner)]]]))
            #expect(try await run.sentences() == ["is finished and still has a lease"])
        }
    }
}
