/// Lets a fault, or the pause between two, last for its planned time: how long MongoDB is away is what is survived, and
/// nothing is decided by that time having passed. Cancellation ends it early.
package func endure(_ time: Duration) async { try? await Task.sleep(for: time) }
