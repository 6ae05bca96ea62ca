import Synchronization

/// The bytes of JSON bodies that one service holds in memory at once, whatever the number of its connections.
final class BodyBudget: Sendable {
    /// Bytes: at least two of the largest bodies.
    static let limit = 32 << 20

    private let used = Mutex(0)

    /// - Throws: `busy`, where other requests hold it.
    func take(_ count: Int) throws(APIError) {
        let isThere = used.withLock { used in
            if used + count > Self.limit { return false }
            used += count
            return true
        }
        if isThere { return }
        throw .busy(
            "other requests hold \(Self.limit >> 20) MiB of JSON in memory, as much as this server keeps; try again"
        )
    }

    func giveBack(_ count: Int) { used.withLock { $0 -= count } }
}
