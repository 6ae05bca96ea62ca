import BSON
import NIOPosix
import Testing

@testable import TaskRunner

@Suite struct RunnerStateTests {
    private func control() -> AttemptControl { AttemptControl(NIOThreadPool(numberOfThreads: 1)) }
    private func key() -> AttemptKey { AttemptKey(taskID: ObjectID(), attempt: 1) }

    @Test func `Never more is asked for than there are free slots`() {
        var state = RunnerState(slots: 3)
        #expect(state.look(force: true) == .queue(3))
        state.add(key(), control())
        #expect(state.look(force: true) == .queue(2))
        state.add(key(), control())
        state.add(key(), control())
        #expect(state.look(force: true) == .nothing)
        state.freeSlot()
        #expect(state.look(force: true) == .queue(1))
    }

    @Test func `A named task is asked for by its identifier only when the queue was empty`() {
        var state = RunnerState(slots: 2)
        let id = ObjectID()
        state.note(id)
        #expect(state.look(force: false) == .queue(2), "others may have a higher priority")
        state.found(queueIsEmpty: true)
        #expect(state.look(force: false) == .nothing)
        state.note(id)
        #expect(state.look(force: false) == .hinted([id]))
        #expect(state.look(force: false) == .nothing)
        for _ in 0..<3 { state.note(ObjectID()) }
        #expect(state.look(force: false) == .queue(2), "more named than there is room for: by priority")
    }

    @Test func `A task that is named while all slots are taken is looked for when one is free`() {
        var state = RunnerState(slots: 1)
        state.found(queueIsEmpty: true)
        state.add(key(), control())
        state.note(ObjectID())
        #expect(state.look(force: false) == .nothing)
        state.freeSlot()
        #expect(state.look(force: false) == .queue(1))
    }

    @Test func `The ladder drains, releases, kills, and claims nothing from its first step on`() {
        var state = RunnerState(slots: 2)
        let attempt = key()
        state.add(attempt, control())
        #expect(state.escalate().phase == .draining)
        #expect(state.look(force: true) == .nothing)
        #expect(!state.isDone)
        #expect(state.escalate().phase == .releasing)
        #expect(state.escalate().phase == .killing)
        #expect(state.escalate().phase == .killing)
        state.freeSlot()
        #expect(!state.isDone, "its end is not reported yet")
        state.remove(attempt)
        #expect(state.isDone)
    }

    @Test func `A lease is kept until the end is reported, for the newest attempt of a task`() {
        var state = RunnerState(slots: 2)
        let id = ObjectID()
        state.add(AttemptKey(taskID: id, attempt: 1), control())
        state.freeSlot()
        #expect(state.leases == [id: 1])
        state.add(AttemptKey(taskID: id, attempt: 2), control())
        #expect(state.leases == [id: 2])
    }
}
