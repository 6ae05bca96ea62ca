import Synchronization
import TestSupport
import Testing

@testable import Threads

/// Signals and slots.
@Suite(.timeLimit(.minutes(30))) struct SignalTests {
    @Test func `Everybody who waits gets the first value, before and after it is set`() async {
        let signal = Signal<Int>()
        let waiters = (0..<3).map { _ in Task { await signal.wait() } }
        #expect(!signal.isSet)
        #expect(signal.set(1))
        #expect(!signal.set(2))
        for waiter in waiters { #expect(await waiter.value == 1) }
        #expect(await signal.wait() == 1)
        #expect(await signal.waitUnlessCancelled() == 1)
    }

    @Test func `A cancelled task gives its wait up where it may, and waits on where it must not`() async {
        let signal = Signal<Int>()
        let (patient, hasty) = (Task { await signal.wait() }, Task { await signal.waitUnlessCancelled() })
        patient.cancel()
        hasty.cancel()
        #expect(await hasty.value == nil)
        signal.set(7)
        #expect(await patient.value == 7)
    }

    @Test func `Work is given up at the signal, and its value comes where it is first`() async throws {
        let signal = Signal<Void>()
        #expect(try await signal.before { 5 } == 5)
        let work = Task {
            try await signal.before {
                try? await Task.sleep(for: .seconds(3600))
                return 5
            }
        }
        signal.set()
        #expect(try await work.value == nil)
        var calls = 0
        signal.ifUnset { calls += 1 }
        Signal<Void>().ifUnset { calls += 10 }
        #expect(calls == 10)
    }

    /// The cancellation comes before, while and after the waiter is put down.
    @Test func `Work that is over at once never leaves anybody waiting for the signal`() async throws {
        let signal = Signal<Void>()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var count = 0
                    for number in 0..<5_000 where try await signal.before({ number }) == number { count += 1 }
                    return count
                }
            }
            for try await count in group { #expect(count == 5_000) }
        }
    }

    @Test func `Places go round in the order of asking; who was cancelled or has waited for too long gets none`() async
    {
        let slots = Slots(count: 1)
        #expect(await slots.acquire(within: .zero))
        #expect(await !slots.acquire(within: .milliseconds(1)))
        let cancelled = Task { await slots.acquire(within: .seconds(3600)) }
        cancelled.cancel()
        #expect(await !cancelled.value)
        let order = Order()
        var waiters: [Task<Void, Never>] = []
        for number in 1...3 {
            waiters.append(
                Task {
                    guard await slots.acquire(within: .seconds(60)) else { return }
                    order.numbers.withLock { $0.append(number) }
                    slots.release()
                }
            )
            #expect(await eventually { slots.waiting == number })
        }
        slots.release()
        for waiter in waiters { await waiter.value }
        #expect(await slots.acquire(within: .zero))
        #expect(order.numbers.withLock { $0 } == [1, 2, 3])
    }

    @Test func `Places are never lost between who gives one back and who is cancelled`() async {
        let slots = Slots(count: 1)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<2_000 where await slots.acquire(within: .seconds(60)) { slots.release() }
                }
                group.addTask {
                    for _ in 0..<2_000 {
                        let hasty = Task { if await slots.acquire(within: .seconds(60)) { slots.release() } }
                        hasty.cancel()
                        await hasty.value
                    }
                }
            }
        }
        #expect(await slots.acquire(within: .zero) && slots.waiting == 0)
    }

    private final class Order: Sendable {
        let numbers = Mutex([Int]())
    }
}
