/// What stays on the disk for clients that may ask again, until it has to go.
public protocol UnusedRemoval: Sendable {
    /// Removes what nobody has asked for in so long. Blocks.
    func removeUnused(for limit: Duration)
}
