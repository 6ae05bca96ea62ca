import BSON
import Logging
import MongoDriver
import Synchronization
import TensorHub
import Threads

/// Delivers the ends of attempts. While one statement is under way the next ends gather, and go together in the next.
final class EndDelivery: Sendable {
    private struct Entry {
        var end: AttemptEnd
        let done = Signal<AttemptEnd.Outcome?>()
    }

    private struct State {
        var waiting: [Entry] = []
        var isClosed = false
    }

    /// Between two tries while MongoDB is away.
    static let retryPause: Duration = .milliseconds(500)
    /// The most that go in one statement.
    static let batchLimit = 500

    private let session: RunnerSession
    private let availability: Availability
    private let mustGiveUp: @Sendable () -> Bool
    private let state = Mutex(State())
    private let block: DeliveryBlock
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// - Parameter mustGiveUp: Asked after each failure: whether not to wait for MongoDB any longer.
    init(
        _ session: RunnerSession,
        logger: Logger,
        availability: Availability,
        mustGiveUp: @escaping @Sendable () -> Bool
    ) {
        self.session = session
        self.availability = availability
        self.mustGiveUp = mustGiveUp
        block = DeliveryBlock(
            logger,
            .reports,
            in: availability.refusals,
            saying: "MongoDB does not take results; they are kept and sent again"
        )
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Returns when MongoDB has answered, however long that takes; `nil` if the runner gave up waiting for it.
    func deliver(_ end: AttemptEnd) async -> AttemptEnd.Outcome? {
        let entry = Entry(end: end)
        let isClosed = state.withLock { state in
            if !state.isClosed { state.waiting.append(entry) }
            return state.isClosed
        }
        if isClosed { return nil }
        wake.yield()
        return await entry.done.wait()
    }

    /// Delivers until cancelled.
    func run() async {
        for await _ in wakes {
            while await deliverBatch() {}
        }
        let rest = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for entry in rest { entry.done.set(nil) }
    }

    private func deliverBatch() async -> Bool {
        let batch = state.withLock { state in
            let batch = Array(state.waiting.prefix(Self.batchLimit))
            state.waiting.removeFirst(batch.count)
            return batch
        }
        if batch.isEmpty { return false }
        let outcomes = await deliver(batch.map(\.end))
        for (index, entry) in batch.enumerated() { entry.done.set(outcomes?[index]) }
        return true
    }

    private func deliver(_ ends: [AttemptEnd]) async -> [AttemptEnd.Outcome]? {
        var isOutcomeUnknown = false
        while true {
            do {
                // A task with a key twice would end MongoDB again.
                if isOutcomeUnknown { try await session.putAsideRepeated(ends) }
                isOutcomeUnknown = false
                let outcomes = try await session.deliver(ends)
                availability.succeeded()
                block.passed()
                return outcomes
            } catch {
                if mustGiveUp() { return nil }
                if (error.underlying as? MongoError)?.isOutcomeUnknown == true { isOutcomeUnknown = true }
                if availability.failed(error) { block.met(error, facts: ["attempts": "\(ends.count)"]) }
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }
}
