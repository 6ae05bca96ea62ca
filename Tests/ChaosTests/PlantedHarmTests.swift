import BSON
import Chaos
import MongoDriver
import TensorHub
import Testing

/// The checker finds what scripts must not achieve by harm to themselves, and limits and cancels that take no effect.
@Suite struct PlantedHarmTests {
    private static let harmful = RecordingScript(harm: Harm.modes[0])

    @Test func `A task that was cancelled before it ran, or after it had ended, has no violations`() async throws {
        try await PlantedRun.with { run in
            #expect(try await run.hub.cancelTasks(.ids([run.task])) == 1)
            let now = try await run.hub.serverTime()
            #expect(try await run.sentences(cancel: .init(acknowledged: now)) == [])
        }
        try await PlantedRun.with { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            run.note("end", run.task, 1)
            try await run.finish(run.task, 1, runner)
            #expect(try await run.sentences(cancel: .init()) == [])
        }
    }

    @Test func `A cancelled task that nobody cancelled is found, and one that has a result`() async throws {
        try await PlantedRun.with { run in
            try await run.hub.cancelTasks(.ids([run.task]))
            #expect(
                try await run.sentences() == ["has the state 'cancelled', which is none that these tasks can end in"]
            )
            try await run.change(.document(["$set": ["result": ["task": "x"]]]))
            #expect(try await run.sentences(cancel: .init()) == ["is cancelled and has a result"])
        }
    }

    @Test func `A task that ran again after it was cancelled, and one that took long to end, are found`() async throws {
        try await PlantedRun.with { run in
            let runner = ObjectID()
            let asked = BSONDateTime(millisecondsSince1970: try await run.now() - 45_000)
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            run.note("end", run.task, 1)
            try await run.finish(run.task, 1, runner)
            let sentences = try await run.sentences(cancel: .init(acknowledged: asked))
            #expect(sentences.contains("was started as attempt 1 after it was cancelled"), "\(sentences)")
            #expect(sentences.contains { $0.hasSuffix("after it was cancelled") && $0.hasPrefix("ended 4") })
        }
    }

    @Test func `A time limit that took no effect in time, and one that took none at all, are found`() async throws {
        try await PlantedRun.with(RecordingScript(seconds: 600, timeout: .seconds(2))) { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            try await run.fail(run.task, 1, runner, "timeout")
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 2)
            try await run.fail(run.task, 2, runner, "timeout")
            #expect(try await run.sentences() == [])
            let long = BSONDateTime(millisecondsSince1970: try await run.now() - 60_000)
            try await run.change(.document(["$set": ["hub.history.0.start": .dateTime(long)]]))
            let sentences = try await run.sentences()
            #expect(sentences.count == 1)
            #expect(sentences[0].hasSuffix(" with a time limit of 2.0 seconds"), "\(sentences)")
            try await run.change(.document(["$set": ["status": "finished"]]))
            #expect(try await run.sentences().contains("is finished although its script runs for longer than it may"))
        }
    }

    @Test func `A stop that nobody asked for and that is not counted is found`() async throws {
        try await PlantedRun.with(RecordingScript(harm: Harm.signals[0])) { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            try await run.release(run.task, 1, runner, cause: "request")
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 2)
            run.note("end", run.task, 2)
            try await run.finish(run.task, 2, runner)
            #expect(
                try await run.sentences() == ["has an attempt 1 that was stopped by nobody we know, and not counted"]
            )
        }
    }

    @Test func `A script that goes round and round by what it does to itself is found`() async throws {
        try await PlantedRun.with(Self.harmful) { run in
            let runner = ObjectID()
            for attempt in 1...11 {
                _ = try await run.claim(run.task, runner)
                run.note("start", run.task, attempt)
                run.note("harm", run.task, attempt)
                if attempt < 11 { try await run.release(run.task, attempt, runner, cause: "machine") }
            }
            run.note("end", run.task, 11)
            try await run.finish(run.task, 11, runner)
            let sentences = try await run.sentences()
            #expect(sentences == ["went round 11 times by what its script does: finished 1, machine 10"])
        }
    }

    @Test func `A journal that its script destroyed is counted as often as the task allows, and not less`() async throws
    {
        try await PlantedRun.with(Self.harmful) { run in
            let runner = ObjectID()
            for attempt in 1...2 {
                _ = try await run.claim(run.task, runner)
                run.note("start", run.task, attempt)
                run.note("harm", run.task, attempt)
                try await run.fail(run.task, attempt, runner, "journal-lost")
            }
            #expect(try await run.sentences() == [])
            try await run.change(.document(["$set": ["hub.failures": 1]]))
            #expect(try await run.sentences() == ["is failed after 1 failures instead of 2"])
        }
    }

    @Test func `A journal that is lost to a script that did nothing is found, and a second attempt beside the first`()
        async throws
    {
        try await PlantedRun.with { run in
            let runner = ObjectID()
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 1)
            try await run.release(run.task, 1, runner, cause: "journal-lost")
            _ = try await run.claim(run.task, runner)
            run.note("start", run.task, 2)
            run.note("beside", run.task, 2, 1)
            run.note("end", run.task, 2)
            try await run.finish(run.task, 2, runner)
            #expect(
                try await run.sentences() == [
                    "has an attempt 1 that ended by journal-lost, which its script did not cause",
                    "ran as attempt 2 while attempt 1, which ended by journal-lost, was alive",
                ]
            )
        }
    }

    @Test func `A task that loses an attempt beside scripts that harm themselves is found`() async throws {
        try await PlantedRun.with { run in
            let (first, second) = (ObjectID(), ObjectID())
            let expectation = HistoryChecker.Expectation(task: run.task, script: .init())
            _ = try await run.claim(run.task, first)
            let before = try await run.hub.findTasks()
            #expect(FaultMix.disturbances(before, [expectation]).isEmpty)
            try await run.release(run.task, 1, first, cause: "runner-lost")
            _ = try await run.claim(run.task, second)
            try await run.finish(run.task, 2, second)
            let after = try await run.hub.findTasks()
            #expect(
                FaultMix.disturbances(after, [expectation]).map(\.sentence)
                    == ["took 2 attempts (runner-lost, finished) beside scripts that harm themselves"]
            )
        }
    }
}
