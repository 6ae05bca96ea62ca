import Synchronization

/// A number of places, handed out in the order of asking.
final class Slots: Sendable {
    let count: Int
    private let state: Mutex<State>

    private struct State {
        var free: Int
        var nextWaiter = 0
        var waiters: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    init(count: Int) {
        self.count = count
        state = Mutex(State(free: count))
    }

    /// Waits for a place until the limit; `false` when there was none, or the task was cancelled.
    func acquire(within limit: Duration) async -> Bool {
        let (isFree, id) = state.withLock { state in
            if state.free > 0 {
                state.free -= 1
                return (true, 0)
            }
            state.nextWaiter += 1
            return (false, state.nextWaiter)
        }
        if isFree { return true }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(for: limit)
                if !Task.isCancelled { self.giveUp(id) }
            }
            let acquired = await withTaskCancellationHandler {
                await wait(id)
            } onCancel: {
                giveUp(id)
            }
            group.cancelAll()
            return acquired
        }
    }

    func release() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if state.waiters.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiters.removeFirst().continuation
        }
        next?.resume(returning: true)
    }

    private func wait(_ id: Int) async -> Bool {
        await withCheckedContinuation { continuation in
            let outcome: Bool? = state.withLock { state in
                if Task.isCancelled { return false }
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiters.append((id, continuation))
                return nil
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }

    private func giveUp(_ id: Int) {
        let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiters.remove(at: index).continuation
        }
        waiter?.resume(returning: false)
    }
}
