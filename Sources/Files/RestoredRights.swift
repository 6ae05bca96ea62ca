import Synchronization

/// Whether a script has taken rights to its attempt directory away that were restored: told once, when the attempt has
/// ended.
package final class RestoredRights: Sendable {
    private let isNoted = Atomic(false)

    package init() {}

    package func note() { isNoted.store(true, ordering: .relaxed) }

    /// Whether it was noted since the last time that somebody has asked.
    package func take() -> Bool { isNoted.exchange(false, ordering: .relaxed) }
}
