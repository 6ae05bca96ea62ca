package import BSON
package import MongoDriver

/// A runner's side of the hub: what it sends in its own name. Each statement is safe to repeat, and those about an
/// attempt count only while it is under this runner's lease.
package struct RunnerSession: Sendable {
    package let hub: Hub
    /// This run of the runner: new at every start.
    package let runner: ObjectID
    /// What the runner is called, in histories too.
    package let name: String
    /// What its machine calls itself; `nil` for a session that claims nothing by it.
    package let host: String?
    /// How long its leases last without renewal.
    package let lease: Duration
    /// What its machine is called, where that is another name than the runner's.
    var machine: String? { host.flatMap { $0.bytes == name.bytes ? nil : $0 } }

    package init(_ hub: Hub, runner: ObjectID, name: String, host: String? = nil, lease: Duration) {
        self.hub = hub
        self.runner = runner
        self.name = name
        self.host = host
        self.lease = lease
    }

    /// The same session by another lane of the same connections.
    package func by(_ lane: MongoClient.Lane) -> RunnerSession {
        RunnerSession(hub.by(lane), runner: runner, name: name, host: host, lease: lease)
    }

    /// What it asks the queue for.
    func filter(_ query: ClaimQuery) -> BSONDocument {
        query.document(project: hub.project, runner: name, host: host)
    }

    /// The tasks that are still those attempts, under this runner's lease.
    func fence(_ attempt: AttemptID) -> BSONDocument { TaskStatements.fence(attempt, runner: runner) }
}
