import Synchronization

/// A number of places, handed out in the order of asking.
package final class Slots: Sendable {
    package let count: Int
    private let state: Mutex<State>

    private struct State {
        var free: Int
        /// Set to whether a place came.
        var waiters: [Signal<Bool>] = []
    }

    package init(count: Int) {
        self.count = count
        state = Mutex(State(free: count))
    }

    /// How many wait for a place.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// Waits for a place until the limit; `false` when there was none, or the task was cancelled.
    package func acquire(within limit: Duration) async -> Bool {
        let turn: Signal<Bool>? = state.withLock { state in
            if state.free > 0 {
                state.free -= 1
                return nil
            }
            let turn = Signal<Bool>()
            state.waiters.append(turn)
            return turn
        }
        guard let turn else { return true }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(for: limit)
                if !Task.isCancelled { self.giveUp(turn) }
            }
            let acquired = await withTaskCancellationHandler {
                await turn.wait()
            } onCancel: {
                giveUp(turn)
            }
            group.cancelAll()
            return acquired
        }
    }

    package func release() {
        // Nobody is told under the lock: the handler of a cancellation takes it.
        let next: Signal<Bool>? = state.withLock { state in
            if state.waiters.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiters.removeFirst()
        }
        next?.set(true)
    }

    private func giveUp(_ turn: Signal<Bool>) {
        let isWaiting = state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0 === turn }) else { return false }
            state.waiters.remove(at: index)
            return true
        }
        if isWaiting { turn.set(false) }
    }
}
