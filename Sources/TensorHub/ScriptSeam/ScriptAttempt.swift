public import BSON

/// What only the script of an attempt can ask for.
public protocol ScriptAttempt: Sendable {
    var id: AttemptID { get }

    /// The task that is being run.
    func task() async throws(HubError) -> BSONDocument
    func mergeResults(_ results: BSONDocument) async throws(HubError)
    func report(_ progress: ScriptProgress) async throws(HubError)
    /// Answers at once when the script is to stop, else after that time.
    func control(waiting: Duration) async -> ScriptControl
    /// The checkpoint folder is complete: returns once there is a copy of it on this machine.
    func storeCheckpoint() async throws(HubError)
}
