/// An attempt of which the disk does not tell enough to go on with it.
package struct DamagedAttempt: Sendable {
    package var directory: AttemptDirectory
    package var reason: String
    /// Whether it may be what a removal that was cut short has left.
    package var mayBeRemains = false
    /// Whether there are only processes of it.
    package var isGone = false
    /// Whether there are processes of it.
    package var isAlive = false
}
