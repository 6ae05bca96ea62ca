package import BSON

/// What a runner tells of itself with a sign of life.
package struct RunnerBeat: Sendable {
    /// What the machine calls itself.
    package var host: String
    package var pid: Int32
    package var version: String
    package var slots: Int
    package var labels: BSONDocument
    package var state: RunnerRecord.State
    /// `RunnerRecord.queryText`.
    package var query: String
    package var running: [AttemptID]
    package var done: Int
    package var blocked: Int
    /// What MongoDB does not take from it; `nil` leaves what is told there.
    package var refused: [RunnerRefusal]?
    /// How much it has found damaged on its machine.
    package var damaged: Int
    /// What scripts did not find on its machine, the latest last.
    package var lacks: [RunnerLack]
    /// What it keeps to where the document does not say it: a pause that its predecessor was under.
    package var control: RunnerControl?

    package init(
        host: String,
        pid: Int32,
        version: String,
        slots: Int,
        labels: BSONDocument,
        state: RunnerRecord.State,
        query: String,
        running: [AttemptID],
        done: Int,
        blocked: Int,
        refused: [RunnerRefusal]? = nil,
        damaged: Int = 0,
        lacks: [RunnerLack] = [],
        control: RunnerControl?
    ) {
        self.host = host
        self.pid = pid
        self.version = version
        self.slots = slots
        self.labels = labels
        self.state = state
        self.query = query
        self.running = running
        self.done = done
        self.blocked = blocked
        self.refused = refused
        self.damaged = damaged
        self.lacks = lacks
        self.control = control
    }
}
