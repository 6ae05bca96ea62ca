import TensorHub

/// What a runner remembers of its signs of life.
struct Heartbeat: Sendable {
    /// What was asked of it last; it keeps to that even if somebody deletes its document.
    var control: RunnerControl?
    /// A request with a deadline that nobody waits for yet, and how long that is.
    var due: (control: RunnerControl, rest: Duration)?
    /// Whether its document exists.
    var isRegistered = false
    /// Whether its document may tell of refusals.
    var hasToldRefusals = false

    mutating func takeDue() -> (control: RunnerControl, rest: Duration)? {
        defer { due = nil }
        return due
    }
}
