import BSON
import Files
import NIOPosix
import TensorHub
import Testing

@testable import TaskRunner

@Suite struct RunnerStateTests {
    private func control() -> AttemptControl { AttemptControl(NIOThreadPool(numberOfThreads: 1)) }
    private func key() -> AttemptID { AttemptID(task: ObjectID(), number: 1) }

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
        let first = control()
        #expect(state.add(AttemptID(task: id, number: 1), first).isEmpty)
        state.freeSlot()
        #expect(state.leases == [AttemptID(task: id, number: 1)])
        state.add(key(), control())
        let earlier = state.add(AttemptID(task: id, number: 2), control())
        #expect(earlier.map(ObjectIdentifier.init) == [ObjectIdentifier(first)])
        #expect(state.leases.filter { $0.task == id } == [AttemptID(task: id, number: 2)])
    }

    private func asked(_ request: RunnerControl.Request, at time: Int64) -> RunnerControl {
        RunnerControl(request, time: BSONDateTime(millisecondsSince1970: time))
    }

    @Test func `A paused runner claims nothing and looks at the queue when it is resumed`() {
        var state = RunnerState(slots: 2)
        state.found(queueIsEmpty: true)
        #expect(state.activity == .running)
        _ = state.obey(asked(.pause, at: 1))
        #expect(state.activity == .paused)
        state.note(ObjectID())
        #expect(state.look(force: true) == .nothing)
        #expect(!state.isDone)
        _ = state.obey(asked(.resume, at: 2))
        #expect(state.activity == .running)
        #expect(state.look(force: false) == .queue(2))
    }

    @Test func `A claim that is under way may still get a task, so the runner is not paused or drained yet`() {
        var state = RunnerState(slots: 2)
        state.isClaiming = true
        _ = state.obey(asked(.pause, at: 1))
        #expect(state.activity == .running)
        _ = state.obey(asked(.drain, at: 2))
        #expect(state.activity == .draining)
        state.isClaiming = false
        #expect(state.activity == .drained)
    }

    @Test func `A request is obeyed once, however often it is heard`() {
        var state = RunnerState(slots: 2)
        let heard = [1, 1, 2].map { state.obey(asked(.drain, at: $0)) }
        #expect(heard == [true, false, true])
    }

    @Test func `A drained runner stays, a stopped one is done`() {
        var state = RunnerState(slots: 2)
        let attempt = key()
        state.add(attempt, control())
        _ = state.obey(asked(.drain, at: 1))
        #expect(state.activity == .draining)
        state.freeSlot()
        state.remove(attempt)
        #expect(state.activity == .drained && !state.isDone && state.done == 1)
        _ = state.obey(asked(.stop, at: 2))
        #expect(state.activity == .stopping && state.isDone)
        _ = state.obey(asked(.resume, at: 3))
        #expect(state.activity == .running && !state.isDone)
    }

    @Test func `What is asked from afar does not take back a signal`() {
        var state = RunnerState(slots: 2)
        _ = state.escalate()
        _ = state.obey(asked(.resume, at: 1))
        #expect(state.activity == .stopping && state.look(force: true) == .nothing && state.isDone)
    }

    @Test func `At its deadline a drain gives back what runs, once, unless it was taken back`() {
        var state = RunnerState(slots: 2)
        state.add(key(), control())
        let first = asked(.drain, at: 1)
        _ = state.obey(first)
        #expect(state.urgency == .running)
        _ = state.obey(asked(.resume, at: 2))
        #expect(state.release(atDeadlineOf: first).isEmpty)
        let second = asked(.drain, at: 3)
        _ = state.obey(second)
        #expect(state.release(atDeadlineOf: first).isEmpty)
        #expect(state.release(atDeadlineOf: second).count == 1)
        #expect(state.release(atDeadlineOf: second).isEmpty)
        #expect(state.urgency == .releasing, "claimed in that moment: given back too")
        _ = state.obey(asked(.resume, at: 4))
        #expect(state.urgency == .running)
    }
}
