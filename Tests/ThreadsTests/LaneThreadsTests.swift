import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Threads

/// Threads that may block.
@Suite(.timeLimit(.minutes(30))) struct LaneThreadsTests {
    @Test func `Threads start when there is work, up to the limit, and one party never has all of them`() async throws {
        let threads = LaneThreads(name: "test", limit: 3, share: 2)
        let gate = Mutex(false)
        let began = Mutex([Int]())
        for (index, party) in [1, 1, 1, 2].enumerated() {
            threads.submit(of: party) {
                began.withLock { $0.append(index) }
                while !gate.withLock({ $0 }) { usleep(1000) }
            }
        }
        #expect(await eventually { began.withLock { $0.count } == 3 })
        #expect(began.withLock { Set($0) } == [0, 1, 3])
        #expect(threads.load.waiting == 1)
        gate.withLock { $0 = true }
        #expect(await eventually { began.withLock { $0.last } == 2 && threads.load.running == 0 })
    }

    @Test func `Parties take turns, and none has more under way than its share`() {
        var queue = TurnQueue<String>(share: 1)
        for name in ["a1", "a2", "a3"] { queue.add(name, of: 1) }
        queue.add("b1", of: 2)
        #expect(queue.next()?.element == "a1")
        #expect(queue.next()?.element == "b1")
        #expect(queue.next() == nil)
        #expect(!queue.hasNext)
        queue.ended(1)
        queue.add("b2", of: 2)
        #expect(queue.next()?.element == "a2")
        queue.ended(2)
        #expect(queue.hasNext)
        #expect(queue.next()?.element == "b2")
        let removed = queue.remove { $0 == "a3" }
        #expect(removed == ["a3"])
        queue.ended(1)
        queue.ended(2)
        #expect(queue.next() == nil)
        #expect(queue.waiting == 0 && queue.running == 0)
    }
}
