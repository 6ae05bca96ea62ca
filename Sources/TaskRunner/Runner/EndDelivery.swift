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

    /// The most that go in one statement.
    static let batchLimit = 500

    private let store: any AttemptStore
    private let persistence: Persistence
    private let state = Mutex(State())
    private let block: DeliveryBlock
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init(_ store: any AttemptStore, logger: Logger, availability: Availability, persistence: Persistence) {
        self.store = store
        self.persistence = persistence
        block = DeliveryBlock(
            logger,
            .reports,
            in: availability,
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
        return await persistence.untilAccepted(block, facts: ["attempts": "\(ends.count)"]) {
            () async throws(HubError) in
            // A task with a key twice would end MongoDB again.
            if isOutcomeUnknown { try await store.putAsideRepeated(ends) }
            isOutcomeUnknown = false
            return try await store.deliver(ends)
        } failed: { error in
            if (error.underlying as? MongoError)?.isOutcomeUnknown == true { isOutcomeUnknown = true }
        }
    }
}
