import BSON
import Logging
import Synchronization
import TensorHub

/// What scripts say of their progress: of each attempt the latest word counts, and all of a runner's go together in one
/// statement a second. Nothing is kept on disk; a word that cannot be sent makes way for the next one.
final class ProgressBoard: Sendable {
    private let news = Mutex<[AttemptID: ScriptProgress]>([:])
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// Between two statements.
    static let pause: Duration = .seconds(1)

    init() {
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    func post(_ progress: ScriptProgress, of id: AttemptID) {
        news.withLock { $0[id] = progress }
        wake.yield()
    }

    /// The attempt has ended: its task tells no progress any more.
    func remove(_ id: AttemptID) {
        news.withLock { $0[id] = nil }
    }

    /// Sends until cancelled.
    func run(_ session: RunnerSession, _ availability: Availability) async {
        for await _ in wakes {
            let batch = news.withLock { news in
                defer { news = [:] }
                return news
            }
            if batch.isEmpty { continue }
            do throws(HubError) {
                try await session.setProgress(batch)
                availability.succeeded()
            } catch {
                availability.failed(error)
                // The next words are newer; where none come, these are still the latest.
                news.withLock { $0.merge(batch) { newer, _ in newer } }
                if !error.isTransient { news.withLock { $0 = [:] } }
                wake.yield()
            }
            try? await Task.sleep(for: Self.pause)
        }
    }
}
