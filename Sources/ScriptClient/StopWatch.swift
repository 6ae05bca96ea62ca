import BSON
import Glibc
import Synchronization

/// Waits for the order to stop, by a long poll of the runner and by SIGTERM. Begins with the first question.
final class StopWatch: Sendable {
    private struct State {
        var order: StopOrder?
        var task: Task<Void, Never>?
        var hasEnded = false
    }

    /// Seconds of one long poll, and how long its answer may be late.
    private static let poll = 30
    private static let isTerminated = Atomic(false)

    private let client: RunnerClient
    private let state = Mutex(State())

    init(_ client: RunnerClient) {
        self.client = client
    }

    /// The order, once there is one.
    var order: StopOrder? {
        state.withLock { state in
            if state.task == nil, !state.hasEnded {
                Self.takeSIGTERM()
                state.task = Task(executorPreference: DeliveryThread.shared) { await self.watch() }
            }
            return state.order ?? (Self.isTerminated.load(ordering: .relaxed) ? StopOrder() : nil)
        }
    }

    /// Ends the waiting.
    func end() async {
        let task = state.withLock { state in
            state.hasEnded = true
            return state.task
        }
        task?.cancel()
        await task?.value
    }

    private func watch() async {
        var pause = RunnerClient.pauses.first
        while !Task.isCancelled {
            do {
                let answer = try await client.call(
                    .get,
                    "/v1/control?wait=\(Self.poll)",
                    limit: .seconds(2 * Self.poll)
                )
                pause = RunnerClient.pauses.first
                guard answer["stop"]?.boolValue == true else { continue }
                let seconds = answer["deadline"]?.doubleValue
                let order = StopOrder(
                    reason: answer["reason"]?.stringValue,
                    deadline: seconds.map { .now + .seconds($0) }
                )
                return state.withLock { $0.order = order }
            } catch let error as ScriptError where [401, 403].contains(error.status) {
                // Another attempt has taken over; its runner ends this one.
                return
            } catch {
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, RunnerClient.pauses.longest)
            }
        }
    }

    /// A script that asks is told by the answer and not ended by the signal, unless it has a handler of its own.
    private static func takeSIGTERM() {
        // Made before the handler may need it.
        _ = isTerminated.load(ordering: .relaxed)
        var current = sigaction()
        guard sigaction(SIGTERM, nil, &current) == 0, current.__sigaction_handler.sa_handler == nil else { return }
        signal(SIGTERM) { _ in StopWatch.isTerminated.store(true, ordering: .relaxed) }
    }
}
